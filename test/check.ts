/**
 * Checks the types and the house rules of the whole tree; a warning counts as an error.
 *
 * In one process, because the linter's rules ask the same compiler about the same program: two would each work out every
 * type anew, which is most of the time of both.
 */
import { ESLint } from "eslint";
import ts from "typescript";

const format: ts.FormatDiagnosticsHost = {
  getCurrentDirectory: () => process.cwd(),
  getCanonicalFileName: (path) => path,
  getNewLine: () => "\n",
};

function readProgram(): { program: ts.Program; problems: readonly ts.Diagnostic[] } {
  const problems: ts.Diagnostic[] = [];
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (problem: ts.Diagnostic) => problems.push(problem) };
  const config = ts.getParsedCommandLineOfConfigFile("tsconfig.json", {}, host);
  const program = ts.createProgram(config?.fileNames ?? [], config?.options ?? {});
  return { program, problems: [...problems, ...(config?.errors ?? []), ...ts.getPreEmitDiagnostics(program)] };
}

async function lint(program: ts.Program): Promise<{ text: string; found: number }> {
  const parserOptions = { projectService: false, programs: [program] };
  const eslint = new ESLint({ overrideConfig: { files: ["**/*.ts"], languageOptions: { parserOptions } } });
  const results = await eslint.lintFiles(["."]);
  const formatter = await eslint.loadFormatter("stylish");
  const found = results.reduce((sum, { errorCount, warningCount }) => sum + errorCount + warningCount, 0);
  return { text: await formatter.format(results), found };
}

const { program, problems } = readProgram();
process.stdout.write(ts.formatDiagnostics(problems, format));
const { text, found } = await lint(program);
process.stdout.write(text);
process.exitCode = problems.length > 0 || found > 0 ? 1 : 0;
