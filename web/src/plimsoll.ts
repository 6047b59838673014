// The browser script without attribution. See agent.ts for what it does.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import { install } from "./agent";

install([onTTFB, onFCP, onLCP, onCLS, onINP]);
