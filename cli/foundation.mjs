#!/usr/bin/env node
// `npx foundation …` and `npm run sandbox`: works from a fresh clone on any Node from 18 on.
import { ensureDependencies, execNode24 } from "../setup.mjs";

process.exitCode = (await ensureDependencies()) ? await execNode24("cli/main.ts", process.argv.slice(2)) : 1;
