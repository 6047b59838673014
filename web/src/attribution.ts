// Which of the library's attribution is sent: numbers, and short strings without query or fragment.
import type { MetricWithAttribution } from "web-vitals/attribution";
import { bare, type Attribution } from "./wire";

/** The most characters of one string: selectors and names come from the page. */
const LONGEST = 128;

const FIELDS: Record<string, string[]> = {
  LCP: ["target", "url", "timeToFirstByte", "resourceLoadDelay", "resourceLoadDuration", "elementRenderDelay"],
  INP: [
    "interactionTarget", "interactionType", "inputDelay", "processingDuration", "presentationDelay", "loadState",
    "totalScriptDuration", "totalStyleAndLayoutDuration", "totalPaintDuration", "totalUnattributedDuration",
  ],
  CLS: ["largestShiftTarget", "largestShiftValue", "largestShiftTime", "loadState"],
  FCP: ["timeToFirstByte", "firstByteToFCP", "loadState"],
  TTFB: ["waitingDuration", "cacheDuration", "dnsDuration", "connectionDuration", "requestDuration"],
};

const put = (into: Attribution, name: string, value: unknown): void => {
  if (typeof value === "number") into[name] = value;
  if (typeof value === "string" && value) into[name] = value.slice(0, LONGEST);
};

/** The attribution of one metric. Zeros are kept: they are answers too. */
export const describe = (metric: { name: string; attribution?: unknown }): Attribution => {
  const source = (metric.attribution ?? {}) as Record<string, unknown>;
  const result: Attribution = {};
  for (const name of FIELDS[metric.name] ?? []) {
    const value = source[name];
    put(result, name, name === "url" && value ? bare(value as string) : value);
  }
  const script = (metric as MetricWithAttribution).name === "INP" && (source["longestScript"] as LongestScript | undefined);
  if (script) {
    put(result, "scriptSubpart", script.subpart);
    put(result, "scriptDuration", script.intersectingDuration);
    put(result, "scriptInvoker", script.entry.invoker);
    put(result, "scriptFunction", script.entry.sourceFunctionName);
    put(result, "scriptURL", script.entry.sourceURL && bare(script.entry.sourceURL));
  }
  return result;
};

interface LongestScript {
  subpart: string;
  intersectingDuration: number;
  entry: { invoker?: string; sourceURL?: string; sourceFunctionName?: string };
}
