import { Command } from "commander";
import { buildBackupImage } from "../backup-image/build.ts";
import { parseRequest } from "../backup-image/request.ts";
import type { Shell } from "../shell.ts";

const EXIT_STATUS = `
EXIT STATUS
  0   the image is there
  1   it could not be built
  7   the VM cannot be reached, refuses the login, or has another host key than the pinned one
  78  it was not started by the Pulumi program`;

/** `foundation backup-image`: the Pulumi program has the backup job's image built by it. */
export function backupImageCommand(shell: Shell): Command {
  return new Command("backup-image")
    .description("build the backup job's image on the VM; run by the Pulumi program")
    .addHelpText("after", EXIT_STATUS)
    .action(async () => {
      const request = parseRequest(shell.environment["FOUNDATION_BACKUP_IMAGE"] ?? "");
      await buildBackupImage(shell.run, request, shell.projectDirectory);
      shell.print(request.reference);
    });
}
