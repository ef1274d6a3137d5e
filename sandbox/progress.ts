/** One thing that took time, for the table at the end. */
export interface Timing {
  readonly what: string;
  readonly seconds: number;
}

/** A line log: no spinner, no cursor movement, so it reads the same on a terminal and in a CI log. */
export class Progress {
  readonly phases: Timing[] = [];
  readonly #write: (line: string) => void;
  readonly #clock: () => number;
  readonly #started: number;
  #silent = false;

  /**
   * @param write takes one line without its end
   * @param clock milliseconds, monotonic
   */
  constructor(write: (line: string) => void, clock: () => number = () => performance.now()) {
    this.#write = write;
    this.#clock = clock;
    this.#started = clock();
  }

  /** Seconds since the program started. */
  get seconds(): number {
    return (this.#clock() - this.#started) / 1000;
  }

  say(who: string, text: string): void {
    if (!this.#silent) this.#write(formatLine(this.seconds, who, text));
  }

  /** Says nothing more: after the first failure, what the others report is its consequence. */
  silence(): void {
    this.#silent = true;
  }

  /** Announces an action, and repeats every 30 s that it still runs. */
  async step<T>(who: string, text: string, action: () => Promise<T>): Promise<T> {
    const began = this.seconds;
    this.say(who, `${text} …`);
    const reminder = setInterval(() => {
      this.say(who, `still ${text} (${Math.round(this.seconds - began)} s)`);
    }, 30_000);
    try {
      const result = await action();
      this.say(who, `done in ${(this.seconds - began).toFixed(1)} s`);
      return result;
    } finally {
      clearInterval(reminder);
    }
  }

  /** Runs one of the big parts of a command and notes its time for the table at the end. */
  async phase<T>(what: string, action: () => Promise<T>): Promise<T> {
    const began = this.seconds;
    const result = await action();
    this.phases.push({ what, seconds: this.seconds - began });
    return result;
  }
}

/** `[ 12s] vault: compiling …` */
export function formatLine(seconds: number, who: string, text: string): string {
  return `[${String(Math.floor(seconds)).padStart(4)}s] ${who}: ${text}`;
}
