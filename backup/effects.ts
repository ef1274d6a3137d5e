/** How a program ended. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is given besides its arguments. Secrets never go through the arguments. */
export interface RunOptions {
  readonly timeoutSeconds: number;
  /** text for standard input; nothing by default */
  readonly input?: string;
  /** added to the job's own environment */
  readonly env?: Readonly<Record<string, string>>;
  /** is told each line of standard output as it comes */
  readonly onLine?: (line: string) => void;
  /** file that takes standard output instead of the result */
  readonly into?: string;
}

/** Starts a program and waits for it. A non-zero exit code is a result; a program that took too long is an error. */
export type Run = (program: string, args: readonly string[], options: RunOptions) => Promise<Finished>;

/** One HTTP request. */
export interface HttpRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** the only CA to trust, PEM */
  readonly ca?: string;
  readonly timeoutSeconds: number;
  /** file that takes the body of a successful answer; it must not exist */
  readonly into?: string;
}

/** Its answer; any status is a result. */
export interface HttpAnswer {
  readonly status: number;
  /** empty where it went into a file */
  readonly body: string;
}

/** An object as a listing shows it. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** changes with the content */
  readonly tag: string;
}

/** An S3 server. */
export interface ObjectStore {
  list(bucket: string): AsyncIterable<StoredObject>;
  /**
   * @param bytes what a listing has said of its size
   * @returns false where the object is gone
   */
  download(bucket: string, key: string, path: string, bytes?: number): Promise<boolean>;
  put(bucket: string, key: string, text: string): Promise<void>;
}

/** Everything outside of the job's own files that it touches; tests have one that fails on purpose. */
export interface Effects {
  readonly run: Run;
  /** @throws Error with a `code` where there is no answer */
  request(request: HttpRequest): Promise<HttpAnswer>;
  readonly objects: ObjectStore;
  /**
   * Takes a lock that the kernel gives back when this process ends, however it ends.
   *
   * @returns what releases it; undefined where somebody else keeps it for too long
   */
  lock(path: string, waitSeconds: number): Promise<(() => void) | undefined>;
  /** of the file system that a path is on */
  freeBytes(path: string): Promise<number>;
  now(): Date;
  newId(): string;
  /** a line for whoever watches */
  report(line: string): void;
}
