// Holds every JSON body that the page sends and gets against api/openapi.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import addFormats from 'ajv-formats';
import Ajv2020 from 'ajv/dist/2020.js';

import { SOURCE } from './place.mjs';

const spec = JSON.parse(readFileSync(join(SOURCE, 'api/openapi.json'), 'utf8'));
const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true });
addFormats(ajv);
ajv.addSchema({ $id: 'spec', ...spec });

const rows = Object.entries(spec.paths)
  .map(([template, item]) => ({
    template,
    item,
    literals: template.split('/').filter((part) => !part.startsWith('{')).length,
    pattern: new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')}$`),
  }))
  .sort((a, b) => b.literals - a.literals);

const escape = (text) => encodeURIComponent(text.replaceAll('~', '~0').replaceAll('/', '~1'));

const rowOf = (method, path) =>
  rows.find((one) => one.pattern.test(path) && one.item[method.toLowerCase()]);

const told = ([error]) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`;

// What is wrong with the body of a request; null if nothing is. Only a server that reads as
// strictly as ours would tell.
export function requestFaultOf(method, path, text) {
  const row = rowOf(method, path);
  const wanted = row?.item[method.toLowerCase()].requestBody;
  if (!wanted) return null;
  const at = wanted.$ref
    ? `spec${wanted.$ref}`
    : `spec#/paths/${escape(row.template)}/${method.toLowerCase()}/requestBody`;
  const validate = ajv.getSchema(`${at}/content/${escape('application/json')}/schema`);
  if (!validate || validate(JSON.parse(text))) return null;
  return `${method} ${row.template} sent ${told(validate.errors)}`;
}

// What is wrong with an answer; null if nothing is, or if it is not one of the API's.
export function faultOf(method, path, status, type, text) {
  if (!/^\/(api|ui|auth)\//.test(path)) return null;
  const row = rowOf(method, path);
  if (!row) return `${method} ${path} is not in openapi.json`;
  const responses = row.item[method.toLowerCase()].responses;
  const code = responses[status] ? String(status) : responses.default ? 'default' : null;
  if (status === 304) return null;
  if (!code)
    return `${method} ${row.template} answered ${status}, which openapi.json does not name`;
  const base = `spec#/paths/${escape(row.template)}/${method.toLowerCase()}/responses/${code}`;
  const named = responses[code].$ref;
  const response = named
    ? named
        .slice(2)
        .split('/')
        .reduce((at, key) => at[key], spec)
    : responses[code];
  const media = Object.keys(response.content ?? {}).find((one) => type.startsWith(one));
  if (!media)
    return text === '' || status === 204
      ? null
      : `${method} ${row.template} ${status}: type ${type} is not declared`;
  if (!/json/.test(media)) return null;
  const pointer = named
    ? `spec${named}/content/${escape(media)}/schema`
    : `${base}/content/${escape(media)}/schema`;
  const validate = ajv.getSchema(pointer);
  if (!validate) return `no schema at ${pointer}`;
  if (validate(JSON.parse(text))) return null;
  return `${method} ${row.template} ${status}: ${told(validate.errors)}`;
}

export function watchContract(page) {
  page.on('request', (request) => {
    const text = request.postData();
    const fault = text && requestFaultOf(request.method(), new URL(request.url()).pathname, text);
    if (fault) page.faults.push(fault);
  });
  page.on('response', async (response) => {
    const type = response.headers()['content-type'] ?? '';
    if (!/json/.test(type)) return;
    const method = response.request().method();
    let text;
    try {
      text = await response.text();
    } catch {
      return; // the page went on before the body was read
    }
    const fault = faultOf(method, new URL(response.url()).pathname, response.status(), type, text);
    if (fault) page.faults.push(fault);
  });
}
