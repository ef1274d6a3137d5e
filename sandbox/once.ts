const begun = new Map<string, Promise<unknown>>();

/** Runs an action once for this process, however many ask for its result at the same time. */
export function once<T>(key: string, action: () => Promise<T>): Promise<T> {
  const existing = begun.get(key);
  if (existing) return existing as Promise<T>;
  const result = action();
  begun.set(key, result);
  return result;
}
