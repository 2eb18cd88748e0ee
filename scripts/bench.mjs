#!/usr/bin/env node
/** @file `npm run bench -- [NAME…] [--json]`: sets up, then runs bench/main.ts. */
import { runAfterSetUp } from "./commands.mjs";

runAfterSetUp("bench/main.ts");
