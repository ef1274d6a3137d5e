import { createRequire } from "node:module";

// An import of node:http takes all that it exports, and with it the whole of fetch: a third of this program's start.
const http = createRequire(import.meta.url)("node:http") as typeof import("node:http");

/** `Agent` of node:http. */
export const HttpAgent = http.Agent;
/** `request` of node:http. */
export const httpRequest = http.request;
