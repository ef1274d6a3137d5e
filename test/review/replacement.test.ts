import { expect, it } from "vitest";
import { isReplacedBy } from "../../review/replacement.ts";
import { openDrivers } from "../../sandbox/engine/drivers/driver-set.ts";

const drivers = openDrivers({ projectDirectory: ".", environment: {} });

// A container's own list is not asked: its options replace it whatever changes.
it.each([
  ...["command:local:Command", "command:remote:Command", "docker:index/network:Network", "docker:index/volume:Volume"],
  ...["docker:index/remoteImage:RemoteImage", "random:index/randomPassword:RandomPassword"],
  ...["tls:index/certRequest:CertRequest", "tls:index/locallySignedCert:LocallySignedCert"],
  ...["tls:index/selfSignedCert:SelfSignedCert", "vault:generic/endpoint:Endpoint", "vault:index/policy:Policy"],
  ...["vault:kv/secretV2:SecretV2", "pulumi:providers:docker", "pulumi:providers:vault"],
])("%s is replaced by what replaces it in a deployment", (type) => {
  const driver = drivers.get(type);
  const inputs = driver?.inputs ?? [];
  expect(inputs.filter((input) => isReplacedBy({ type, replaceOnChanges: [] }, input))).toEqual(
    inputs.filter((input) => driver?.replaceOn.includes(input)),
  );
});

it("the option replaceOnChanges replaces what its type would not", () => {
  const type = "docker:index/container:Container";
  expect(isReplacedBy({ type, replaceOnChanges: [] }, "memory")).toBe(false);
  expect(isReplacedBy({ type, replaceOnChanges: ["*"] }, "memory")).toBe(true);
});
