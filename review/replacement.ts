import { matchesPath } from "../sandbox/engine/paths.ts";
import type { Recorded } from "./record.ts";

/** What a change of an input does to a type of resource, in the words of its provider's schema. */
interface TypeRules {
  /** inputs whose change needs a new object; `*` for all of them */
  readonly replacedBy: readonly string[];
  /** inputs that are an exception to `*` */
  readonly except?: readonly string[];
  /** whether an object in its place has other outputs, so that what uses them changes too */
  readonly isAnother?: boolean;
}

/** The types that the program uses. A container says by its options that everything replaces it. */
const TYPES: Readonly<Record<string, TypeRules>> = {
  "command:local:Command": { replacedBy: ["triggers"] },
  "command:remote:Command": { replacedBy: ["triggers"] },
  // Its id is in the triggers of what has to look at it again.
  "docker:index/container:Container": { replacedBy: [], isAnother: true },
  "docker:index/network:Network": { replacedBy: ["*"] },
  "docker:index/remoteImage:RemoteImage": { replacedBy: ["name"] },
  "docker:index/volume:Volume": { replacedBy: ["*"] },
  "random:index/randomPassword:RandomPassword": { replacedBy: ["*"], isAnother: true },
  "tls:index/certRequest:CertRequest": { replacedBy: ["*"], isAnother: true },
  "tls:index/locallySignedCert:LocallySignedCert": {
    replacedBy: ["*"],
    except: ["earlyRenewalHours"],
    isAnother: true,
  },
  "tls:index/selfSignedCert:SelfSignedCert": { replacedBy: ["*"], except: ["earlyRenewalHours"], isAnother: true },
  "vault:generic/endpoint:Endpoint": { replacedBy: ["path"] },
  "vault:index/policy:Policy": { replacedBy: ["name"] },
  "vault:kv/secretV2:SecretV2": { replacedBy: ["mount", "name"] },
};

/** Whether a change of one input makes a new object in place of the old one. @param path as in `labels[0].value` */
export function isReplacedBy(
  { type, replaceOnChanges }: Pick<Recorded, "type" | "replaceOnChanges">,
  path: string,
): boolean {
  const { replacedBy = [], except = [] } = TYPES[type] ?? {};
  const input = path.split(/[.[]/, 1)[0] ?? path;
  if (replaceOnChanges.some((pattern) => matchesPath(pattern, path))) return true;
  return !except.includes(input) && (replacedBy.includes("*") || replacedBy.includes(input));
}

/** Whether what uses the outputs of a resource gets other ones when it is replaced. */
export function isAnotherWhenReplaced({ type }: Pick<Recorded, "type">): boolean {
  return TYPES[type]?.isAnother ?? false;
}
