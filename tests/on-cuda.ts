/** @file Loaded before a test file by `npm run test:gpu`: the same tests, computed on the GPU. */
import { useDevice } from "../src/torch/index.ts";

useDevice("cuda");
