import { createHash } from "node:crypto";
import { deriveSecrets, type DerivedSecrets } from "../keys/derive.ts";
import { MASTER_KEY } from "./placeholder-key.ts";
import { generate, TOKEN, VM_ID } from "./placeholders.ts";
import { ofType, PASSWORD, rolesOf } from "./policy/rule.ts";
import type { Recording } from "./record.ts";
import type { StackConfig } from "./request.ts";

/** A secret of the foundation in every form in which the program writes it. */
export interface KnownSecret {
  /** `RandomPassword s3-secret-key`, `restic password` */
  readonly name: string;
  readonly forms: readonly string[];
}

/** Everything that must not be read in a graph that was recorded with placeholders. */
export function knownSecrets(recording: Recording, config: StackConfig["config"]): KnownSecret[] {
  const offsite = config["foundation:offsite"] as { secretAccessKey?: string } | undefined;
  const given = offsite?.secretAccessKey === undefined ? [] : [offsite.secretAccessKey];
  return [
    ...derivedSecrets(deriveSecrets(MASTER_KEY), recording),
    ...ofType(recording, PASSWORD).map(({ name }) => generatedSecret(name, generate(name))),
    { name: "token of a consumer at the forge", forms: [TOKEN] },
    { name: "forge token", forms: [TOKEN] },
    ...given.map((form) => ({ name: "key of the repository elsewhere", forms: [form] })),
  ];
}

/** A generated credential and what the program makes of it. */
export function generatedSecret(name: string, value: string): KnownSecret {
  const digest = createHash("sha256").update(value).digest();
  const forms = [value];
  if (name === "forgejo-oauth-secret" || name === "forgejo-lfs-secret") forms.push(digest.toString("base64url"));
  if (name === "runner-secret") forms.push(digest.toString("hex").slice(0, 40));
  return { name, forms };
}

/** Everything that is derived from the master key. The AppRoles are those of the graph, and the program's own. */
export function derivedSecrets(derived: DerivedSecrets, recording: Recording): KnownSecret[] {
  // Jobs have no secret id that is derived.
  const own = rolesOf(recording, "approle").filter(({ name }) => !name.startsWith("jobs-"));
  const roles = ["pulumi", ...own.map(({ name }) => name)];
  const { forgejo, ca, restic, offsite, fileFingerprintKey } = derived;
  const values = {
    "forge SECRET_KEY": forgejo.secretKey,
    "forge SSH host key, ed25519": forgejo.sshHostKeys.ed25519.privateKeyPem,
    "forge SSH host key, ecdsa": forgejo.sshHostKeys.ecdsa.privateKeyPem,
    "forge id token key": forgejo.idTokenKey.privateKeyPem,
    "CA root key": ca.rootKeyPem,
    "CA intermediate key": ca.intermediateKeyPem,
    "restic password": restic.password,
    "offsite password": offsite.password(VM_ID),
    "offsite server key": offsite.serverKeyPem,
    "fingerprint key": fileFingerprintKey.toString("hex"),
    ...Object.fromEntries(roles.map((role) => [`AppRole ${role}`, derived.vaultAppRole(role).secretId])),
  };
  return Object.entries(values).map(([name, form]) => ({ name, forms: [form] }));
}
