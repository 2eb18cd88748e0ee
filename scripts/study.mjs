#!/usr/bin/env node
/** @file `npm run study -- --stage a|b|c --budget 120m`: sets up, then runs bench/study/main.ts. */
import { runAfterSetUp } from "./commands.mjs";

runAfterSetUp("bench/study/main.ts");
