// `npm test`, `npm run test:e2e`, `npm run lint`, `npm run format`: works from a fresh clone, then hands over to suite.ts on Node 24.
import { ensureDependencies, execNode24 } from "../setup.mjs";

process.exitCode = (await ensureDependencies()) ? await execNode24("test/suite.ts", process.argv.slice(2)) : 1;
