import { UserError } from "../../../errors.ts";
import type { Scratch } from "../../scratch.ts";
import type { Check } from "../check.ts";
import { commitRandomFile, gitWith, httpsLogin, sshLogin, type Git } from "../git.ts";

const FILE_BYTES = 64 * 1024;

/** A push and a clone over HTTPS with a token. */
export const gitOverHttps: Check = {
  name: "git-https",
  title: "git over HTTPS",
  async run(context, scratch, forge) {
    const { httpsUrl } = await forge.createRepository(scratch);
    const git = gitWith(context, await httpsLogin(context, scratch, forge));
    return pushAndClone(git, scratch, httpsUrl);
  },
};

/** A push and a clone over SSH with a key, the host key being the derived one. */
export const gitOverSsh: Check = {
  name: "git-ssh",
  title: "git over SSH",
  async run(context, scratch, forge) {
    const { sshUrl } = await forge.createRepository(scratch);
    const git = gitWith(context, await sshLogin(context, scratch, forge));
    return `${await pushAndClone(git, scratch, sshUrl)}, host key as derived`;
  },
};

async function pushAndClone(git: Git, scratch: Scratch, url: string): Promise<string> {
  const { directory, commit } = await commitRandomFile(git, scratch, { name: "random", bytes: FILE_BYTES });
  await git("git push", directory, "push", "--quiet", url, "main");
  await git("git clone", scratch.directory, "clone", "--quiet", url, "clone");
  const cloned = await git("git rev-parse", `${scratch.directory}/clone`, "rev-parse", "HEAD");
  if (cloned !== commit) throw new UserError(`pushed ${commit}, cloned ${cloned}`, "look at the forge's log");
  return `pushed and cloned commit ${commit.slice(0, 10)} of a private repository`;
}
