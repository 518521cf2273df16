/** Light, dark, or as the system has it; kept in this browser. */

import { setText } from "../dom.js";

const KEY = "openclaw-actors-theme";
const NEXT = { "": "dark", dark: "light", light: "" };
const WORDS = { "": "Theme", dark: "Dark", light: "Light" };

/** The button goes round: the system's, dark, light. */
export function watchTheme(button) {
  const show = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    setText(button.querySelector(".label"), WORDS[theme]);
    button.title = theme ? `Always ${theme}` : "As your system has it";
    document.dispatchEvent(new CustomEvent("themechange"));
  };
  let theme = localStorage.getItem(KEY) ?? "";
  if (!(theme in NEXT)) theme = "";
  show(theme);
  button.addEventListener("click", () => {
    theme = NEXT[theme];
    localStorage.setItem(KEY, theme);
    show(theme);
  });
}
