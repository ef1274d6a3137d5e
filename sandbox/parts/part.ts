import { IMAGES, type ImageName } from "../../images.ts";
import type { BinaryName } from "./binary.ts";

/** One image that the rig makes from packages, with the contract of an official one. Its files are in `parts/<name>/`. */
export interface Part {
  /** what it is, and its name in the rig's registry: `foundation/<name>` */
  readonly name: string;
  /** the program's image that it replaces */
  readonly image: ImageName;
  /** image that production runs in its place */
  readonly standsInFor: string;
  /** where the program comes from, which also says its version: a Debian package, a binary, or the Node that runs the rig */
  readonly from: { readonly package: string } | { readonly binary: BinaryName } | { readonly program: "node" };
}

const replacing = (image: ImageName): Pick<Part, "image" | "standsInFor"> => ({
  image,
  standsInFor: IMAGES[image].replace(/@.*/, ""),
});

/** Every part, slowest first, so that the cores are busy to the end. */
export const PARTS: readonly Part[] = [
  { name: "gitea", ...replacing("forgejo"), from: { binary: "gitea" } },
  { name: "vault", ...replacing("vault"), from: { binary: "vault" } },
  { name: "postgres", ...replacing("postgres"), from: { package: "postgresql-18" } },
  { name: "versitygw", ...replacing("rustfs"), from: { binary: "versitygw" } },
  { name: "caddy", ...replacing("caddy"), from: { package: "caddy" } },
  { name: "gitea-runner", ...replacing("runner"), from: { binary: "runner" } },
  { name: "job", ...replacing("job"), from: { package: "nodejs" } },
  { name: "node", ...replacing("node"), from: { program: "node" } },
  { name: "restic", ...replacing("restic"), from: { package: "restic" } },
  { name: "rest-server", ...replacing("restServer"), from: { package: "restic-rest-server" } },
];

/** The real RustFS takes versitygw's place as soon as a binary of it is there. */
export const RUSTFS: Part = { name: "rustfs", ...replacing("rustfs"), from: { binary: "rustfs" } };

/** `18.6-3` and `1:2.11.4+ds1-1` as upstream writes them. */
export function upstreamVersion(debianVersion: string): string {
  return debianVersion
    .replace(/^\d+:/, "")
    .replace(/-[^-]*$/, "")
    .replace(/[+~].*$/, "");
}
