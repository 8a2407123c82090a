import { render } from "preact";
import { takeToken } from "./api";
import { App } from "./app";
import * as keys from "./keys";
import * as theme from "./lib/theme";
import * as route from "./state/route";
import * as trace from "./state/trace";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";

takeToken();
theme.start();
route.start();
keys.start();
trace.start();
render(<App />, document.getElementById("app")!);
