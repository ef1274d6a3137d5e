import { Command, Option } from "commander";
import { formatMarkdown } from "../../review/markdown.ts";
import { exitCodeOf } from "../../review/report.ts";
import { formatText } from "../../review/text.ts";
import { postComment, readPullRequest } from "../review/comment.ts";
import { review } from "../review/review.ts";
import type { Shell } from "../shell.ts";

const HELP = `
Records what the working tree would deploy, and what the commit would where HEAD left the base, and prints the difference.
Nothing is needed for it: no passphrase, no VM, no state, no network. Keys are placeholders, and of what is secret only
that it changed is shown. \`pulumi preview\` on the laptop shows the same with values.

Every committed Pulumi.STACK.yaml is looked at; without any, ${"review/example.yaml"}.

--post leaves the report as one comment on the pull request and replaces it the next time. In a workflow, everything for
that is in the environment: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_EVENT_PATH and a token in GITHUB_TOKEN. A token that
may not write, as that of a fork's pull request, leaves no comment and no other exit code.

EXIT STATUS
  0   nothing changes
  2   something changes
  8   refused: something that is protected or holds data would be replaced or deleted, or a rule is broken
  7   the forge cannot be reached, or does not take the comment
  64  no such base
  78  a configuration is invalid`;

interface ReviewOptions {
  readonly base: string;
  readonly json?: true;
  readonly markdown?: true;
  readonly post?: true;
}

/** `foundation review`: what a change does to what is deployed, for whoever reviews it. */
export function reviewCommand(shell: Shell): Command {
  return new Command("review")
    .description("what this tree would change in a deployment, compared with a base; needs no secret and no VM")
    .requiredOption("--base <ref>", "branch or commit to compare with")
    .addOption(new Option("--json", "print the report as JSON").conflicts("markdown"))
    .option("--markdown", "print the report as the comment of a pull request")
    .option("--post", "leave the report as the one comment on the pull request that the workflow runs for")
    .addHelpText("after", HELP)
    .action(async (options: ReviewOptions) => {
      // Asked first: what is missing in the workflow is not to be found out after everything else.
      const pullRequest = options.post ? readPullRequest(shell.environment) : undefined;
      const report = await review(shell, options.base);
      const exitCode = exitCodeOf(report);
      const format = {
        json: () => JSON.stringify({ ...report, exitCode }, undefined, 2),
        markdown: () => formatMarkdown(report),
      };
      shell.print(options.json ? format.json() : options.markdown ? format.markdown() : formatText(report));
      if (pullRequest) shell.notice(await postComment(shell, pullRequest, formatMarkdown(report)));
      shell.exitWith(exitCode);
    });
}
