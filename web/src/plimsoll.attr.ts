// The browser script with attribution: which element, which script, which part of the time.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals/attribution";
import { install } from "./agent";
import { describe } from "./attribution";

install([onTTFB, onFCP, onLCP, onCLS, onINP], describe);
