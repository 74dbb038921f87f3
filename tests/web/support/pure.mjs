// The bundle of the page's pure modules.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

import { OUT } from './place.mjs';

const pure = await import(pathToFileURL(join(OUT, 'pure/pure.mjs')).href);
export default pure;
