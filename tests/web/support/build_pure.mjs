// build_pure.mjs OUT: bundles support/pure.ts as OUT/pure.mjs with the page's own Vite.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, '../../../web');
const vite = await import(
  pathToFileURL(createRequire(join(web, 'package.json')).resolve('vite')).href
);
await vite.build({
  root: web,
  configFile: false,
  logLevel: 'warn',
  resolve: { alias: { preact: join(web, 'node_modules/preact') } },
  ssr: { noExternal: true },
  build: {
    ssr: join(here, 'pure.ts'),
    outDir: process.argv[2],
    emptyOutDir: true,
    minify: false,
    rollupOptions: { output: { entryFileNames: 'pure.mjs' } },
  },
});
