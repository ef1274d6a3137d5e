import type { Stack } from "../stack.ts";

/** The commands that bring everything back onto a bare VM, for one stack. */
export function rebuildSteps({ name }: Pick<Stack, "name">, { seed = "auto" }: { seed?: string | undefined }): string {
  const config = `npx pulumi config set --stack ${name}`;
  return `Everything comes back with \`pulumi up\` on a bare VM; nothing has been done yet. The whole runbook: npx foundation dr runbook
  ${config} --path foundation:host.address NEW_ADDRESS
  ${config} --path foundation:host.hostKey "$(ssh-keyscan -t ed25519 NEW_ADDRESS | cut -d' ' -f2-)"
  ${config} foundation:seed ${seed}
  mv .state .state.before; mkdir .state && npx pulumi login file://./.state && npx pulumi stack init ${name} --secrets-provider passphrase
  npx pulumi up --stack ${name}
  npx foundation verify --stack ${name}`;
}
