export const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVhIFhXeXUT/VhyvzD9sZQx3YTiRGvxVzGM7yCGUdWj";
export const OFFSITE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFeE47g+1UOBSGVxNdq1D6HpfLfVfGwF6OuURMP91NdJ";

const HOST = { address: "203.0.113.7", hostKey: HOST_KEY };
const FORGE = { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" };

/** The least that is accepted. */
export const VALID: Readonly<Record<string, unknown>> = {
  domain: "example.org",
  host: HOST,
  tls: { mode: "internal" },
  offsite: "none",
  forge: FORGE,
};

export const host = (changes: object) => ({ host: defined({ ...HOST, ...changes }) });
export const forge = (changes: object) => ({ forge: defined({ ...FORGE, ...changes }) });
export const offsite = (changes: object) => ({
  offsite: defined({ address: "198.51.100.9", hostKey: OFFSITE_KEY, ...changes }),
});

export const repository = (changes: object = {}) => ({
  offsite: defined({
    ...{ repository: "s3:https://s3.example.net/bucket/foundation", accessKeyId: "AKIA123" },
    ...{ secretAccessKey: "secret-of-the-bucket", ...changes },
  }),
});

const defined = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
