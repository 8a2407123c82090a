import { defineConfig } from "vite";

export default defineConfig({
  // Pages live at / and /t/<id>: an address relative to the page would miss its files on the second.
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../sidespand/web/static",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    // The content policy of the daemon allows no data: address, so every asset is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
  },
  // The test of the colours reads a stylesheet as text.
  test: { css: true, environment: "node", pool: "threads", include: ["test/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
