import { setTimeout as delay } from "node:timers/promises";
import type { Effects } from "./effects.ts";

/** The clocks of this machine. */
export const CLOCK: Pick<Effects, "sleep" | "monotonicNow" | "now"> = {
  sleep: async (milliseconds) => void (await delay(milliseconds)),
  monotonicNow: () => performance.now(),
  now: () => new Date(),
};
