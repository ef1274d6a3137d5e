/** Environment in which a program under test starts twice as fast: what it compiled is kept, as `npm test` sets it up. */
export function compileCache(): Record<string, string> {
  const directory = process.env["NODE_COMPILE_CACHE"];
  return directory === undefined ? {} : { NODE_COMPILE_CACHE: directory };
}
