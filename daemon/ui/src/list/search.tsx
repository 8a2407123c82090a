/** The search box: the grammar of `sidespan ls`, with completion from what was seen. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, complete as fetchCompletions } from "../api";
import { set } from "../state/route";
import { listLoad, q } from "./data";
import { complete, fieldsFor, valuesFor, wordAt, type Suggestion, type Word } from "./words";

const SHOWN_MAX = 12;

const text = signal("");
const suggestions = signal<readonly Suggestion[]>([]);
const active = signal(-1);
const open = signal(false);
let fields: readonly { name: string; help: string }[] | null = null;
let asked = 0;

async function suggestionsFor(word: Word): Promise<readonly Suggestion[]> {
  if (word.field !== null && word.field !== "") {
    const { values = [] } = await fetchCompletions(word.field, word.prefix);
    return valuesFor(word, values.filter(({ value }) => value !== word.prefix));
  }
  fields ??= (await fetchCompletions(null, "")).fields ?? [];
  return fieldsFor(word, fields).slice(0, SHOWN_MAX);
}

async function suggest(box: HTMLInputElement): Promise<void> {
  const mine = ++asked;
  // What was pointed at belongs to the text of before: Enter must not take it any more.
  active.value = -1;
  let found: readonly Suggestion[] = [];
  try {
    found = await suggestionsFor(wordAt(box.value, box.selectionStart ?? box.value.length));
  } catch (error) {
    // Without completion one can still search; what is wrong is told there.
    if (!(error instanceof ApiError)) throw error;
  }
  if (mine !== asked || document.activeElement !== box) return;
  suggestions.value = found;
  active.value = -1;
  open.value = true;
}

function choose(box: HTMLInputElement, chosen: Suggestion): void {
  const word = wordAt(box.value, box.selectionStart ?? box.value.length);
  const [value, caret] = complete(box.value, word, chosen);
  text.value = value;
  box.value = value;
  box.setSelectionRange(caret, caret);
  void suggest(box);
}

function submit(box: HTMLInputElement): void {
  asked += 1;
  open.value = false;
  set({ q: box.value.trim() }, "push");
}

function onKeyDown(event: KeyboardEvent): void {
  const box = event.currentTarget as HTMLInputElement;
  const { length } = suggestions.value;
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && length) {
    const move = event.key === "ArrowDown" ? 1 : -1;
    // One place more than there are suggestions: the text itself.
    active.value = ((active.value + 1 + move + length + 1) % (length + 1)) - 1;
    open.value = true;
    event.preventDefault();
  } else if (event.key === "Tab" && open.value && active.value >= 0) {
    choose(box, suggestions.value[active.value]!);
    event.preventDefault();
  } else if (event.key === "Enter") {
    if (open.value && active.value >= 0) choose(box, suggestions.value[active.value]!);
    else submit(box);
    event.preventDefault();
  } else if (event.key === "Escape") {
    if (open.value && suggestions.value.length) open.value = false;
    else box.blur();
    event.preventDefault();
  }
}

export function Search() {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    text.value = q.value;
    if (box.current) box.current.value = q.value;
  }, [q.value]);
  const load = listLoad.value;
  const error = load.state === "failed" && load.error.status === 400 ? load.error : null;
  return (
    <div class="search" role="search">
      <svg class="search-sign" viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="7" cy="7" r="4.25" />
        <path d="M10.2 10.2 14 14" />
      </svg>
      <input
        id="search"
        ref={box}
        type="text"
        role="combobox"
        aria-label="Search traces"
        aria-expanded={open.value && suggestions.value.length > 0}
        aria-controls="suggestions"
        aria-autocomplete="list"
        aria-activedescendant={active.value >= 0 ? `suggestion-${active.value}` : undefined}
        aria-invalid={error !== null}
        aria-describedby={error ? "search-error" : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder="kind:llm  model:gpt-*  status:error  dur:>2s  text:&quot;refund&quot;"
        onInput={(event) => {
          text.value = event.currentTarget.value;
          void suggest(event.currentTarget);
        }}
        onClick={(event) => void suggest(event.currentTarget)}
        onBlur={() => (open.value = false)}
        onKeyDown={onKeyDown}
      />
      {text.value ? (
        <button
          type="button"
          class="bare"
          aria-label="Clear the search"
          onClick={() => {
            text.value = "";
            box.current!.value = "";
            submit(box.current!);
          }}
        >
          ×
        </button>
      ) : (
        <kbd>/</kbd>
      )}
      {open.value && <Suggestions box={box.current!} />}
      {error && !open.value && (
        <div class="search-error" id="search-error" role="alert">
          <strong>{error.message}</strong> {error.hint}
        </div>
      )}
    </div>
  );
}

function Suggestions({ box }: { box: HTMLInputElement }) {
  return (
    // The box keeps the focus while one clicks here.
    <div class="suggestions" onMouseDown={(event) => event.preventDefault()}>
      <ul id="suggestions" role="listbox" aria-label="Completions">
        {suggestions.value.map((one, index) => (
          <li
            key={one.text}
            id={`suggestion-${index}`}
            role="option"
            aria-selected={index === active.value}
            onClick={() => choose(box, one)}
          >
            <span class="suggestion-label">{one.label}</span>
            <span class="suggestion-help">{one.help}</span>
          </li>
        ))}
      </ul>
      <p class="grammar">
        <code>field:value</code> <code>field:a,b</code> <code>field:&gt;n</code>{" "}
        <code>model:gpt-*</code> <code>-field:x</code> not <code>has:state</code>{" "}
        <code>is:open</code> <code>since:10m</code> <code>scope:span</code> <code>"a phrase"</code>
      </p>
    </div>
  );
}
