// The wire form, version 1, and what fills it. The server reads exactly these keys.

/** What is told about why a value is what it is: short strings and numbers. */
export type Attribution = Record<string, string | number>;

/** One metric of one page view, as sent. */
export interface WireMetric {
  name: string;
  /** Milliseconds; CLS has no unit. Bit for bit what the library said. */
  value: number;
  /** The value in the beacon before, when there was one. */
  prev?: number;
  /** The library's id of this metric. */
  id: string;
  attribution?: Attribution;
}

/** One beacon. */
export interface Beacon {
  v: 1;
  /** The site's public key. */
  site?: string;
  /** Random, one for each page view; nothing is kept in the browser. */
  view: string;
  /** Counts the beacons of this view from 1. */
  n: number;
  /** Milliseconds from the start of the view to the sending of this beacon. */
  age: number;
  /** The share of views that report, above 0 and at most 1. */
  rate: number;
  /** Origin and path, without query and fragment. */
  page: string;
  route?: string;
  release?: string;
  navigation: string;
  device: string;
  connection?: string;
  /** No further beacon of this view will come. */
  final: boolean;
  metrics: WireMetric[];
}

interface Navigator2 extends Navigator {
  userAgentData?: { mobile: boolean };
  connection?: { effectiveType?: string };
  globalPrivacyControl?: boolean;
}
const browser = navigator as Navigator2;

/** `mobile`, `tablet` or `desktop`. An iPad says it is a Mac: the touch screen tells them apart. */
export const device = (): string => {
  if (browser.userAgentData?.mobile) return "mobile";
  if (!matchMedia("(pointer:coarse)").matches) return "desktop";
  return Math.min(screen.width, screen.height) < 600 ? "mobile" : "tablet";
};

/** `4g`, `3g`, `2g`, `slow-2g`, where the browser tells. */
export const connection = (): string | undefined => browser.connection?.effectiveType;

/** Whether the visitor asked not to be tracked (Global Privacy Control). */
export const wantsPrivacy = (): boolean => browser.globalPrivacyControl === true;

/** Origin and path of an address: query and fragment never leave the browser. */
export const bare = (address: string): string => {
  const url = new URL(address, location.href);
  return (url.origin + url.pathname).slice(0, 1024);
};

/** 128 random bits. */
export const randomId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
