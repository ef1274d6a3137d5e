/**
 * Tests that start the real programs, each run a process of its own. They need no rig, and run with the tests that do:
 * starting a program hundreds of times takes longer than all the other tests together.
 */
export const PROGRAM_TESTS = [
  "test/cli/init.test.ts",
  "test/cli/main.test.ts",
  "test/cli/backup/commands.test.ts",
  "test/cli/drill/from-scratch.test.ts",
  "test/cli/repository/repository.test.ts",
  "test/cli/restore/restore.test.ts",
  "test/cli/review/command.test.ts",
  "test/cli/up/up.test.ts",
  "test/unseal-helper/breakglass-program.test.ts",
  "test/unseal-helper/doctor.test.ts",
  "test/unseal-helper/main.test.ts",
  "test/unseal-helper/passphrase-program.test.ts",
  "test/unseal-helper/shares.test.ts",
  "test/unseal-helper/snapshot-program.test.ts",
  "test/unseal-helper/terminal.test.ts",
];
