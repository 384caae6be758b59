/** `--junit FILE`: the verdict as CI systems read it, a test case for each stated limit and one for the run. */
import type { SockError } from "../errors.ts";
import { isMet, type Threshold } from "../measure/verdict.ts";
import { missedWords } from "./thresholds.ts";

export interface JunitReport {
  /** The command: udp. */
  readonly verb: string;
  readonly name: string;
  readonly thresholds: readonly Threshold[];
  readonly failure: SockError | undefined;
  readonly started: Date;
}

export function junitXml({ verb, name, thresholds, failure, started }: JunitReport): string {
  const missed = thresholds.filter((one) => !isMet(one));
  const suite = `name=${quoted(`sock ${verb} ${name}`)} timestamp=${quoted(started.toISOString())}`;
  const errors = failure === undefined ? 0 : 1;
  const testCase = caseOf(`sock.${verb}`);
  const cases = [
    testCase("run", failure === undefined ? undefined : ["error", `${failure.code}: ${failure.message}`]),
    ...thresholds.map((one) => testCase(one.name, isMet(one) ? undefined : ["failure", missedWords(one)])),
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite ${suite} tests="${cases.length}" failures="${missed.length}" errors="${errors}">`,
    ...cases,
    "</testsuite>",
    "",
  ].join("\n");
}

type Problem = [element: "error" | "failure", message: string] | undefined;

function caseOf(classname: string): (name: string, problem: Problem) => string {
  return (name, problem) => {
    const head = `  <testcase classname=${quoted(classname)} name=${quoted(name)}`;
    if (problem === undefined) return `${head}/>`;
    return `${head}><${problem[0]} message=${quoted(problem[1])}/></testcase>`;
  };
}

/** An attribute's value; what XML 1.0 can't hold is left out. */
function quoted(text: string): string {
  const escaped = text
    // oxlint-disable-next-line no-control-regex -- these are what XML has no way to write
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
  return `"${escaped}"`;
}
