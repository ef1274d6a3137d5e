// The house rules of the architecture, where a linter can hold them. What each area may do is at the end, area by area.
import tseslint from "typescript-eslint";
import { defineConfig } from "eslint/config";

const modules = {
  spawn: {
    regex: "^(node:)?child_process$",
    message: "Start programs in the program's one exec.ts, so that timeouts, signals and secrets are handled once.",
  },
  process: { regex: "^(node:)?process$", message: "Only main.ts touches the process; pass in what you need." },
  machine: {
    regex: "^(node:)?(fs|fs/promises|os|net|http|https|dns|tls)$",
    message: "Components describe resources; they never look at the machine that runs the program.",
  },
  siblings: {
    regex:
      "^\\./(?!(service|secret-files|vm|topology|images|landing-page|backup-source|backup-plan|repository|forgejo-backup|vault-reader|job-login|app-ini|runner-config|job-containers)\\.ts$)",
    message: "Components meet in index.ts by passing outputs, not by importing each other.",
  },
  config: {
    regex: "^\\.\\./(config|config-problems|config-schema|images|index)\\.ts$",
    allowTypeImports: true,
    message: "Only index.ts reads the configuration; take what you need as an argument.",
  },
  components: { regex: "/components/", message: "Programs are handed rendered text; they do not know the components." },
  packages: { regex: "^(?!node:|\\.)", message: "This program stands on Node's built-in modules alone." },
};

/** One list per file: a later `no-restricted-imports` replaces an earlier one instead of adding to it. */
const restrictImports = (...patterns) => ({ "no-restricted-imports": ["error", { patterns }] });

const everywhere = [
  { selector: "ExportAllDeclaration", message: "No barrels: import from the file that defines it." },
  {
    selector: "NewExpression[callee.object.name='random'][callee.property.name=/^Random(Bytes|Id|String)$/]",
    message: "Only RandomPassword keeps its result secret in state.",
  },
];
const inThePulumiProgram = [
  ...everywhere,
  {
    selector: "CallExpression[callee.property.name='apply'] :function NewExpression",
    message: "A resource made inside apply is missing from previews; decide by a plain value.",
  },
  {
    selector: "CallExpression[callee.object.name=/^(docker|vault|tls|random|command)$/][callee.property.name=/^get/]",
    message: "Provider functions contact the VM during preview.",
  },
  {
    selector:
      "CallExpression[callee.object.name='Date'], NewExpression[callee.name='Date'], CallExpression[callee.object.name='Math'][callee.property.name='random']",
    message: "The program gives the same result every time: no clock, no chance.",
  },
];
const containers = {
  selector: "NewExpression[callee.object.name='docker'][callee.property.name='Container']",
  message: "Containers are made by service(), which applies the hardening.",
};

export default defineConfig(
  { ignores: ["actions/", "node_modules/", ".cache/", ".state/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": [
        "error",
        // typeof import("…") names the type of a module that is loaded late
        { fixStyle: "inline-type-imports", disallowTypeAnnotations: false },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: "error",
      "max-lines": ["error", { max: 300 }],
      "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }],
      "no-console": "error",
      "no-restricted-globals": ["error", { name: "process", message: modules.process.message }],
      "no-restricted-syntax": ["error", ...everywhere],
      ...restrictImports(modules.spawn, modules.process),
    },
  },

  // The Pulumi program: pure description.
  {
    files: ["components/**/*.ts"],
    rules: {
      "no-restricted-syntax": ["error", ...inThePulumiProgram, containers],
      ...restrictImports(modules.spawn, modules.process, modules.machine, modules.siblings, modules.config),
    },
  },
  { files: ["components/service.ts"], rules: { "no-restricted-syntax": ["error", ...inThePulumiProgram] } },
  {
    files: ["index.ts"],
    rules: {
      "no-restricted-syntax": ["error", ...inThePulumiProgram, containers],
      "max-lines": ["error", { max: 115 }],
      // One line after the other, in the order of the stages: shorter functions would only hide the order.
      "max-lines-per-function": ["error", { max: 80, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: ["config.ts"], rules: { "no-restricted-globals": "off" } },
  { files: ["tunnel.ts"], rules: { "no-restricted-globals": "off", ...restrictImports(modules.process) } },

  // The programs beside it.
  {
    files: ["unseal-helper/**/*.ts"],
    rules: restrictImports(modules.spawn, modules.process, modules.components, modules.packages),
  },
  { files: ["backup/**/*.ts"], rules: restrictImports(modules.spawn, modules.process, modules.components) },
  { files: ["**/main.ts"], rules: { "no-restricted-globals": "off", "no-console": "off" } },
  { files: ["**/exec.ts"], rules: restrictImports(modules.process) },

  // Tests drive real programs and look into untyped results.
  {
    files: ["test/**/*.ts", "bench/**/*.ts"],
    rules: {
      "@typescript-eslint/no-base-to-string": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "max-lines": "off",
      "max-lines-per-function": "off",
      "no-console": "off",
      "no-restricted-globals": "off",
      "no-restricted-imports": "off",
    },
  },

  // What runs before the dependencies are there.
  {
    files: ["**/*.mjs", "eslint.config.js"],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
    rules: { "no-restricted-globals": "off", "no-restricted-imports": "off" },
  },
);
