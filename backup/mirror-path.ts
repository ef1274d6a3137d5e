/**
 * Where an object of a bucket is below the bucket's directory in the mirror. Keys that are plain paths, as those of
 * packages and LFS are, stay as they are; everything that a file system would not take as a name is written as `%XX`.
 *
 * @returns a relative path; undefined for a key with a part too long for a file name
 */
export function mirrorPath(key: string): string | undefined {
  const parts = key.split("/").map(encode);
  return parts.every((part) => part.length <= 200) ? parts.join("/") : undefined;
}

/** The key of a file in the mirror: {@link mirrorPath} backwards. */
export function objectKey(path: string): string {
  return path
    .split("/")
    .map((part) => (part === EMPTY ? "" : decodeURIComponent(part)))
    .join("/");
}

const EMPTY = "%";

function encode(part: string): string {
  if (part === "") return EMPTY;
  if (part === "." || part === "..") return part.replaceAll(".", "%2E");
  return percentEncode(part);
}

/** Escapes everything but letters, digits and `-._~` (RFC 3986, as S3 signatures count it too). */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
