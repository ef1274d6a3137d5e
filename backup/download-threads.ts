import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Download, ObjectStore } from "./effects.ts";
import type { S3Login } from "./object-store.ts";

/** One is not enough for a server on the same machine, and more would take the cores from the services. */
const THREADS = 2;

interface Answer {
  readonly id: number;
  readonly found?: boolean;
  /** an error without what a thread cannot hand over */
  readonly error?: { readonly name: string; readonly message: string; readonly code: string | undefined };
}

/** Runs the work with downloads by threads, and ends them with it. See {@link ObjectStore.withThreads}. */
export async function withDownloadThreads<T>(
  entry: URL,
  login: S3Login,
  work: (download: Download) => Promise<T>,
): Promise<T> {
  const threads = Array.from({ length: THREADS }, () => new DownloadThread(entry, login));
  let next = 0;
  try {
    return await work((...request) => (threads[next++ % THREADS] as DownloadThread).download(...request));
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

/** The other side: a thread of {@link withDownloadThreads} answers until it is ended. */
export function answerDownloads(openStore: (login: S3Login) => ObjectStore): void {
  const store = openStore(workerData as S3Login);
  parentPort?.on("message", ({ id, request }: { id: number; request: Parameters<Download> }) => {
    const answer = (rest: Omit<Answer, "id">): void => parentPort?.postMessage({ id, ...rest });
    store.download(...request).then(
      (found) => answer({ found }),
      ({ name, message, code }: NodeJS.ErrnoException) => answer({ error: { name, message, code } }),
    );
  });
}

class DownloadThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<boolean>>();
  #next = 0;
  /** why it ended before it was told to */
  #failure: Error | undefined;

  constructor(entry: URL, login: S3Login) {
    this.#worker = new Worker(entry, { workerData: login });
    this.#worker.on("message", ({ id, found = false, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(found);
      else waiting?.reject(Object.assign(new Error(error.message), error));
    });
    this.#worker.on("error", (error: Error) => this.#fail(error));
  }

  download(...request: Parameters<Download>): Promise<boolean> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next++;
    const waiting = Promise.withResolvers<boolean>();
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, request });
    return waiting.promise;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
    this.#fail(new Error("ended"));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
