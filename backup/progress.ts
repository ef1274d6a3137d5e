import type { Effects } from "./effects.ts";

/** Nobody is told of what takes less. */
const INTERVAL_MS = 2000;

/** Says now and then how far something is, how fast it goes and when it will be done. */
export class Progress {
  readonly #effects: Pick<Effects, "now" | "report">;
  readonly #what: string;
  readonly #total: number;
  readonly #started: number;
  #done = 0;
  #said: number;

  /** @param total bytes; 0 where it is not known */
  constructor(effects: Pick<Effects, "now" | "report">, what: string, total: number) {
    this.#effects = effects;
    this.#what = what;
    this.#total = total;
    this.#started = this.#said = effects.now().getTime();
  }

  add(bytes: number): void {
    this.set(this.#done + bytes);
  }

  set(bytes: number): void {
    this.#done = bytes;
    const now = this.#effects.now().getTime();
    if (now - this.#said < INTERVAL_MS) return;
    this.#said = now;
    this.#effects.report(`backup: ${this.#what}: ${describe(bytes, this.#total, (now - this.#started) / 1000)}`);
  }
}

/** `1.2 GB of 4.0 GB, 85.0 MB/s, 0:33 left` */
export function describe(bytes: number, total: number, seconds: number): string {
  const rate = seconds > 0 ? bytes / seconds : 0;
  const parts = [total > 0 ? `${size(bytes)} of ${size(total)}` : size(bytes), `${size(rate)}/s`];
  if (total > 0 && rate > 0) parts.push(`${clock((total - bytes) / rate)} left`);
  return parts.join(", ");
}

/** Bytes as a person reads them, in steps of 1000. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  return `${(bytes / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step] ?? ""}`;
}

/** `m:ss`, or `h:mm:ss` */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return hours > 0 ? `${String(hours)}:${two(minutes)}:${two(rest)}` : `${String(minutes)}:${two(rest)}`;
}
