import { readdirSync, readFileSync } from "node:fs";

const DIRECTORY = new URL("./actions/", import.meta.url);

/** Names that workflows know these actions by, beside `main`; all of them are the same here. */
const VERSIONS = ["v4", "v5", "v6"];

/** Text of each action's files by path, `checkout/action.yml`. */
export function readActions(): Record<string, string> {
  const files = readdirSync(DIRECTORY, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => `${parentPath}/${name}`.slice(DIRECTORY.pathname.length));
  return Object.fromEntries(paths.sort().map((path) => [path, readFileSync(new URL(path, DIRECTORY), "utf8")]));
}

/**
 * The actions as input of `git fast-import`: one branch each, of one commit that is the same whenever its files are, so
 * that pushing it again pushes nothing; and beside it the branch `NAME@VERSION` of each version.
 */
export function actionsStream(files: Readonly<Record<string, string>>): string {
  const actions = [...new Set(Object.keys(files).map((path) => path.split("/")[0] ?? ""))];
  return actions.map((action) => commit(action, files)).join("");
}

function commit(action: string, files: Readonly<Record<string, string>>): string {
  const own = Object.entries(files).filter(([path]) => path.startsWith(`${action}/`));
  const added = own.map(([path, text]) => `M 100644 inline ${path.slice(action.length + 1)}\n${data(text)}`);
  const branches = VERSIONS.map((version) => `reset refs/heads/${action}@${version}\nfrom refs/heads/${action}\n\n`);
  return [
    `commit refs/heads/${action}\n`,
    "committer Foundation <foundation@noreply.invalid> 0 +0000\n",
    data(`${action}\n`),
    ...added,
    "\n",
    ...branches,
  ].join("");
}

const data = (text: string): string => `data ${String(Buffer.byteLength(text))}\n${text}\n`;
