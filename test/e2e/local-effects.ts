import type { Effects } from "../../unseal-helper/effects.ts";
import type { LocalVault } from "./local-vault.ts";

/**
 * The effects on a VM, on a Vault of this machine.
 *
 * @param struck is told each effect after it has happened, and may throw
 */
export function localEffects(local: LocalVault, real: Effects, struck: (effect: string) => void): Effects {
  const spool = new Map<string, string>();
  return {
    ...real,
    initialiseVault: async ({ epochId, n, t, pgpPublicKey: key }) => {
      const body = {
        secret_shares: n,
        secret_threshold: t,
        pgp_keys: Array.from({ length: n }, () => key),
        root_token_pgp_key: key,
      };
      const answer = await real.requestVault({ method: "PUT", path: "sys/init", body });
      const text = JSON.stringify(answer.body);
      if (answer.status !== 200) throw new Error(text);
      spool.set(epochId, text);
      return text;
    },
    readSpool: (epochId) => Promise.resolve(spool.get(epochId)),
    shredSpool: () => Promise.resolve(spool.clear()),
    requestVault: async (request) => {
      const answer = await real.requestVault(request);
      struck(`${request.method} ${request.path}`);
      return answer;
    },
    readMarker: () => Promise.resolve(local.readMarker()),
    writeMarker: async (marker) => {
      await Promise.resolve(local.writeMarker(marker));
      struck("write marker");
    },
    startVault: () => Promise.resolve(local.start()),
    stopVault: () => local.stop(),
    restartVault: async () => {
      await local.restart();
      struck("restart");
    },
    wipeVolume: (marker) => Promise.resolve(local.wipe(marker)),
  };
}
