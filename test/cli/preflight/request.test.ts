import { expect, test } from "vitest";
import { parseRequest } from "../../../cli/preflight/request.ts";

const request = {
  target: { address: "192.0.2.7", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" },
  ports: [80, 443, 2222],
  ownerId: "f00d",
  containers: ["caddy"],
  volumes: [],
  networks: [],
  minimumDiskGib: 10,
  minimumMemoryMib: 3500,
};

test("reads what the Pulumi program hands over", () => {
  expect(parseRequest(JSON.stringify(request))).toEqual(request);
});

test.each([
  ["{", "FOUNDATION_PREFLIGHT: not JSON"],
  [
    JSON.stringify({ ...request, ports: [0], ownerId: undefined, surplus: 1 }),
    "FOUNDATION_PREFLIGHT: ports: 0: Too small: expected number to be >=1; " +
      'ownerId: Invalid input: expected string, received undefined; Unrecognized key: "surplus"',
  ],
])("refuses %s", (json, message) => {
  expect(() => parseRequest(json)).toThrow(message);
});
