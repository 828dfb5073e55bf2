import { by, setText } from "./dom.js";

const KEY = "ringbell-demo-theme";
const THEMES = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Follows the system, or what the person chose. Calls `changed` after each change. */
export function followTheme(changed) {
  let theme = localStorage.getItem(KEY) ?? "system";
  const apply = () => {
    const isDark = theme === "dark" || (theme === "system" && dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    setText(by("theme-name"), `Theme: ${theme}`);
    changed();
  };
  by("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEY, theme);
    apply();
  });
  // Windows of the same browser look the same.
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== KEY) return;
    theme = newValue ?? "system";
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

/** A value that the style sheet has for the theme. */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
