"""What is found in an application's source, on which line; and what looks like it and is not."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from usagefix.errors import ConfigurationError
from usagefix.reading import Place, Subject, Use, anywhere, clients, code, in_file, in_sql, scan
from usagefix.reading.languages import LANGUAGES

FUNCTIONS = ("increment_preset_usage", "track_preset_usage")
WRITES, INSERTS, DELETES, CALLS = Use.WRITES_COUNTER, Use.INSERTS_EVENT, Use.DELETES_EVENT, Use.CALLS

SQL = [
    ("UPDATE presets SET usage_count = usage_count + 1 WHERE id = 1", WRITES, 1),
    ("update only public.presets as p\nset name = 'x',\n  usage_count = 2", WRITES, 3),
    ('UPDATE "public"."presets" p SET "usage_count"=$1', WRITES, 1),
    ("UPDATE presets * SET (usage_count, last_used_at)\n = (1, now())", WRITES, 1),
    ("UPDATE presets SET a = f(b, c), t[1] = 2, d = a IS DISTINCT FROM b, usage_count = 0", WRITES, 1),
    ("UPDATE presets SET a = CASE WHEN b THEN 'x;' ELSE $q$;$q$ END, usage_count = 0", WRITES, 1),
    ("MERGE INTO presets p USING e ON p.id = e.id\nWHEN MATCHED THEN UPDATE SET usage_count = e.n", WRITES, 2),
    ("INSERT INTO presets (id) VALUES (1) ON CONFLICT (id)\nDO UPDATE SET usage_count = 1", WRITES, 2),
    ("WITH x AS (UPDATE presets SET usage_count = 1 RETURNING id) SELECT * FROM x", WRITES, 1),
    ("BEGIN\n  NEW.usage_count := OLD.usage_count + 1;\n  RETURN NEW;\nEND", WRITES, 2),
    ("BEGIN\n  NEW.usage_count = 0;\nEND", WRITES, 2),
    ("SELECT count(*) INTO NEW.usage_count FROM x", WRITES, 1),
    ("DO $$\nBEGIN\n UPDATE presets SET usage_count = 0;\nEND $$", WRITES, 3),
    ("DO LANGUAGE plpgsql $$\nBEGIN UPDATE presets SET usage_count = 0; END $$", WRITES, 2),
    ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $fn$\n\nUPDATE presets SET usage_count = 0\n$fn$", WRITES, 3),
    ("CREATE FUNCTION f() RETURNS void AS '\nUPDATE presets SET usage_count = 0, a = ''b''' LANGUAGE sql", WRITES, 2),
    ("EXECUTE 'UPDATE presets SET usage_count = ' || n", WRITES, 1),
    ("EXECUTE\n  'UPDATE presets '\n  || 'SET usage_count = 1' USING x", WRITES, 3),
    ("EXECUTE 'UPDATE ' || quote_ident('presets') || ' SET usage_count = 1'", WRITES, 1),
    ("EXECUTE format('UPDATE %I.presets SET usage_count = %L', s, 1)", WRITES, 1),
    ("EXECUTE format('UPDATE %I SET %I = %2$I + 1', 'presets', 'usage_count')", WRITES, 1),
    ("q := format('UPDATE presets SET usage_count = %s', n);", WRITES, 1),
    ("q := 'UPDATE presets SET usage_count = 1'; EXECUTE q;", WRITES, 1),
    ("SELECT cron.schedule('nightly', '0 3 * * *',\n $$UPDATE presets SET usage_count = 0$$)", WRITES, 2),
    ("-- it's\nUPDATE presets SET usage_count = 1", WRITES, 2),
    ("/* a /* nested ' */ $$ */ UPDATE presets SET usage_count = 1", WRITES, 1),
    ("SELECT E'it\\'s'; UPDATE presets SET usage_count = 1", WRITES, 1),
    ("\\set ON_ERROR_STOP 'on\nUPDATE presets SET usage_count = 1", WRITES, 2),
    ("COPY x FROM stdin;\nit's\n\\.\nUPDATE presets SET usage_count = 1", WRITES, 4),
    ("INSERT INTO public.preset_usage (preset_id)\nVALUES (1)", INSERTS, 1),
    ("INSERT INTO\n  preset_usage DEFAULT VALUES", INSERTS, 2),
    ("COPY public.preset_usage (id, preset_id) FROM stdin;\n1\t2\n\\.\n", INSERTS, 1),
    ("\\copy preset_usage from 'x.csv' csv", INSERTS, 1),
    ("MERGE INTO preset_usage u USING e ON true\nWHEN NOT MATCHED THEN INSERT (id) VALUES (1)", INSERTS, 1),
    ("DELETE FROM preset_usage", DELETES, 1),
    ("DELETE FROM ONLY public.preset_usage pu WHERE pu.id = 1", DELETES, 1),
    ("TRUNCATE TABLE presets, public.preset_usage CASCADE", DELETES, 1),
    ("SELECT public.increment_preset_usage(id) FROM presets", CALLS, 1),
    ("BEGIN\n PERFORM\n track_preset_usage (a);\nEND", CALLS, 3),
    ('CALL "track_preset_usage"()', CALLS, 1),
    ("CREATE TRIGGER t AFTER INSERT ON x EXECUTE FUNCTION track_preset_usage()", CALLS, 1),
]
SQL_NOT = [
    "SELECT * FROM presets WHERE usage_count = 1",
    "UPDATE presets SET name = 'x' WHERE usage_count = 0",
    "UPDATE presets SET name = 'usage_count = 1', a = (usage_count = 1) RETURNING usage_count",
    "UPDATE presets SET name = b FROM x WHERE a = 1, usage_count = 2",
    "UPDATE other SET usage_count = 1",
    "UPDATE presets_archive SET usage_count = 1; UPDATE presets.other SET usage_count = 1",
    "INSERT INTO other (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET usage_count = 1",
    "INSERT INTO presets (id) VALUES (1); INSERT INTO x VALUES (1) ON CONFLICT (id) DO UPDATE SET usage_count = 1",
    "INSERT INTO presets (id, usage_count) VALUES (1, 0)",
    "CREATE TABLE presets (usage_count integer DEFAULT 0 CHECK (usage_count >= 0))",
    "CREATE INDEX i ON presets (usage_count DESC) WHERE usage_count = 0",
    "CREATE TRIGGER t AFTER UPDATE OF usage_count ON presets EXECUTE FUNCTION f()",
    "IF NEW.usage_count = 0 THEN RETURN NULL; END IF",
    "IF a AND NEW.usage_count = OLD.usage_count THEN x := NEW.usage_count; END IF",
    "-- UPDATE presets SET usage_count = 1\n/* INSERT INTO preset_usage VALUES (1) /* */ DELETE FROM preset_usage */",
    "RAISE NOTICE 'UPDATE presets SET usage_count = 1'",
    "COMMENT ON TABLE presets IS $$UPDATE presets SET usage_count = 1$$",
    "SELECT 'DELETE FROM preset_usage', \"INSERT INTO preset_usage VALUES\"",
    "q := 'UPDATE presets SET usage_count = 1'; RAISE NOTICE '%', q;",
    "EXECUTE format('UPDATE %I SET usage_count = 1', 'other')",
    "COPY preset_usage (id, x) TO stdout; SELECT * FROM preset_usage",
    "GRANT INSERT, DELETE, TRUNCATE ON preset_usage TO x; GRANT UPDATE (usage_count) ON presets TO x",
    "INSERT INTO preset_usage_archive SELECT 1; DELETE FROM preset_usage_archive; TRUNCATE a, b",
    "CREATE OR REPLACE FUNCTION public.track_preset_usage(a int) RETURNS int LANGUAGE sql AS $$SELECT 1$$",
    "DROP FUNCTION IF EXISTS a(), public.track_preset_usage(int), increment_preset_usage(int)",
    "GRANT EXECUTE ON FUNCTION track_preset_usage(int) TO x; REVOKE ALL ON FUNCTION track_preset_usage(int) FROM y",
    "COMMENT ON FUNCTION track_preset_usage(int) IS 'x'; ALTER FUNCTION track_preset_usage(int) OWNER TO x",
    "SELECT track_preset_usage, my_track_preset_usage(1), 'track_preset_usage(1)'::regprocedure",
]


@pytest.mark.parametrize(("text", "use", "line"), SQL)
def test_sql_is_found(text: str, use: Use, line: int) -> None:
    assert [(found.use, found.line) for found in in_sql(text, functions=FUNCTIONS)] == [(use, line)]


@pytest.mark.parametrize("text", SQL_NOT)
def test_sql_is_not_found(text: str) -> None:
    assert in_sql(text, functions=FUNCTIONS) == []


ODD = Subject('Shop "floor"', "Pre'sets", 'Usage "Count"', "select")
AS_ODD = '''UPDATE "Shop ""floor""."Pre'sets" SET "Usage ""Count""" = 1'''.replace('"floor""', '"floor"""')
ODD_FOUND = [
    (AS_ODD, WRITES),
    ("DO '" + AS_ODD.replace("'", "''") + "'", WRITES),
    ("EXECUTE format('UPDATE %I.%I SET %I = 1', s, 'Pre''sets', 'Usage \"Count\"')", WRITES),
    ("EXECUTE 'UPDATE ' || quote_ident('Pre''sets') || ' SET ' || quote_ident('Usage \"Count\"') || ' = 1'", WRITES),
    ('INSERT INTO "select" VALUES (1)', INSERTS),
    ('TRUNCATE "select"', DELETES),
]
NOT_OURS = [
    "UPDATE stats.presets SET usage_count = usage_count + 1",
    "INSERT INTO stats.presets (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET usage_count = 1",
    "MERGE INTO stats.preset_usage u USING e ON true WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
    'INSERT INTO "PUBLIC".preset_usage VALUES (1); DELETE FROM old.preset_usage; TRUNCATE old.preset_usage',
    "COPY old.preset_usage FROM stdin;\n\\.\n",
    "EXECUTE format('UPDATE %I.presets SET usage_count = 1', 'stats')",
    'UPDATE "Presets" SET usage_count = 1; UPDATE presets SET "Usage_Count" = 1',
]


@pytest.mark.parametrize(("text", "use"), ODD_FOUND)
def test_odd_names_are_found(text: str, use: Use) -> None:
    assert [found.use for found in in_sql(text, subject=ODD)] == [use]
    assert in_sql(text) == []


@pytest.mark.parametrize("text", NOT_OURS)
def test_what_is_in_another_schema_is_not_ours(text: str) -> None:
    assert in_sql(text) == []


def test_the_schema_is_whichever_it_is() -> None:
    (found,) = in_sql("UPDATE stats.presets SET usage_count = 1", subject=Subject("stats"))
    assert found.use is WRITES


@pytest.mark.parametrize("table", ["${schema}.presets", '"${schema}".presets', "presets", "${f(a, 'b')}.presets"])
def test_a_schema_that_only_a_run_would_tell_may_be_ours(tmp_path: Path, table: str) -> None:
    path = tmp_path / "file.ts"
    path.write_text(f"await sql.unsafe(`UPDATE {table} SET usage_count = 1`)")
    assert [found.use for found in in_file(path)] == [WRITES]


def test_a_finding_shows_its_line_and_the_name_asked_for() -> None:
    (found,) = in_sql(f"SELECT 1;\n   PERFORM Track_Preset_Usage(1); -- {'x' * 300}", functions=["track_preset_usage"])
    assert (found.name, found.line, len(found.text)) == ("track_preset_usage", 2, 160)
    assert found.text.startswith("PERFORM Track_Preset_Usage(1); -- xxx")
    (found,) = in_sql("UPDATE presets SET uses = 1", subject=Subject(counter="uses"))
    assert (found.use, found.name) == (WRITES, "")


def test_every_statement_of_a_body_is_found() -> None:
    body = """BEGIN
      INSERT INTO preset_usage (preset_id) VALUES (p);
      IF a THEN UPDATE presets SET usage_count = usage_count + 1 WHERE id = p; END IF;
      DELETE FROM preset_usage WHERE id = 1;
      PERFORM increment_preset_usage(p);
    END"""
    found = [(found.line, found.use) for found in in_sql(body, functions=FUNCTIONS)]
    assert found == [(2, INSERTS), (3, WRITES), (4, DELETES), (5, CALLS)]


TS = [
    ("await supabase.from('presets').update({ usage_count: n }).eq('id', id)", WRITES, 1),
    (
        "await supabase\n  .from(`presets`)\n  .update({\n    name,\n    usage_count: (p.usage_count ?? 0) + 1,\n  })",
        WRITES,
        5,
    ),
    ('supabase.schema("public").from<Preset>("presets").upsert([{ id, usage_count }])', WRITES, 1),
    ("(supabase as any).from('presets').upsert(rows.map((r) => ({ id: r.id, usage_count: r.n })))", WRITES, 1),
    ("const t = supabase.from('presets')\nawait t.update({ usage_count: 1 })", WRITES, 2),
    ("const patch: Partial<P> = {\n usage_count: 1 }\nawait supabase.from('presets').update(patch)", WRITES, 2),
    ("const patch = {}\npatch.usage_count = 1\nawait supabase.from('presets').update({ ...patch, a })", WRITES, 2),
    ("supabase.from('presets').update({ a, ...(b ? { usage_count: 1 } : {}) })", WRITES, 1),
    ("supabase.from('preset_usage').insert({ preset_id: id })", INSERTS, 1),
    ("supabase\n // it's\n .from('preset_usage')\n .upsert([row])", INSERTS, 3),
    ("const { error } = await supabase.from('preset_usage').insert(presetUsage).select()", INSERTS, 1),
    ("supabase.from('preset_usage').delete().eq('id', 1)", DELETES, 1),
    ("await supabase.rpc('increment_preset_usage', { id })", CALLS, 1),
    ('supabase.rpc(\n  "track_preset_usage" as never\n)', CALLS, 2),
    ("fetch(`${url}/rest/v1/rpc/track_preset_usage`, { method: 'POST' })", CALLS, 1),
    ("prisma.presets.update({ where: { id }, data: { usageCount: { increment: 1 } } })", WRITES, 1),
    ("tx.preset.updateMany({\n data: {\n  usage_count: 0 } })", WRITES, 3),
    ("prisma.preset.upsert({ where, create: { id }, update: { usageCount: 1 } })", WRITES, 1),
    ("prisma.preset_usage.create({ data })", INSERTS, 1),
    ("prisma.presetUsage.createMany({ data })", INSERTS, 1),
    ("prisma.presetUsages.deleteMany()", DELETES, 1),
    ("db.update(presets).set({ usageCount: sql`${presets.usageCount} + 1` })", WRITES, 1),
    ("db.update(schema.presets)\n.set({ usageCount: 1 })", WRITES, 2),
    ("db.insert(presets).values(p).onConflictDoUpdate({ target: presets.id, set: { usageCount: 1 } })", WRITES, 1),
    ("await db.insert(presetUsage).values({ presetId })", INSERTS, 1),
    ("await db.delete(presetUsage).where(eq(presetUsage.id, 1))", DELETES, 1),
    ("knex('presets').where({ id }).increment('usage_count', 1)", WRITES, 1),
    ("knex('presets').where({ id }).update({ usage_count: knex.raw('usage_count + 1') })", WRITES, 1),
    ("knex('preset_usage').insert(row)", INSERTS, 1),
    ("knex.insert(row).into('preset_usage')", INSERTS, 1),
    ("db.updateTable('presets').set({ usage_count: 1 })", WRITES, 1),
    ("db.insertInto('preset_usage').values(row)", INSERTS, 1),
    ("db.deleteFrom('preset_usage').execute()", DELETES, 1),
    ("Preset.increment('usageCount', { by: 1 })", WRITES, 1),
    ("this.presetRepository.increment({ id }, 'usageCount', 1)", WRITES, 1),
    ("await sql`\n  UPDATE presets\n  SET usage_count = ${n}\n`", WRITES, 3),
    ("await db.execute(sql`update ${presets} set ${presets.usageCount} = 1`)", WRITES, 1),
    ("await sql`insert into preset_usage ${sql(row)}`", INSERTS, 1),
    ("pool.query('UPDATE presets ' +\n  'SET usage_count = usage_count + 1')", WRITES, 2),
    ('pool.query("UPDATE \\"presets\\" SET \\"usage_count\\" = 1")', WRITES, 1),
    ("client.query('SELECT increment_preset_usage($1)', [id])", CALLS, 1),
    ("const a = /['\"`]/g; const b = `${c}`\nsql`DELETE FROM preset_usage`", DELETES, 2),
    ("const a = `${f({ a: `x}` })}`;\nsql`DELETE FROM preset_usage`", DELETES, 2),
    ("const a = `${await supabase.rpc('track_preset_usage')}`", CALLS, 1),
    ("return <p>Don't</p>\n}\nsupabase.from('preset_usage').insert(a)", INSERTS, 3),
    ("return <p>a ` tick</p>\n}\nsupabase.from('preset_usage').insert(a)", INSERTS, 3),
    ("a.replace(/'/g, \"''\"); supabase.rpc('track_preset_usage')", CALLS, 1),
]
TS_NOT = [
    "let q = supabase.from('presets')\nq = other()\nq.update({ usage_count: 1 })",
    "interface Preset { id: string; usage_count: number }",
    "type P = { usage_count?: number | null }",
    "presets: { Row: { usage_count: number | null }\n Insert: { usage_count?: number }\n Update: { usage_count?: number } }",
    "preset_usage: { Row: { id: string }, Insert: { id?: string }, Update: { id?: string } }",
    "console.log(preset.usage_count, preset.usageCount === 1)",
    "supabase.from('presets').select('usage_count').order('usage_count')",
    "supabase.from('presets').update({ name: 'usage_count' }).eq('usage_count', 1).gt('usage_count', 2)",
    "supabase.from('presets').insert({ name, usage_count: 0 })",
    "supabase.from('other').update({ usage_count: 1 })",
    "supabase.from('preset_usage').select('*, presets(usage_count)')",
    "supabase.from('preset_usage').update({ usage_type: 'x' })",
    "supabase.from('presets').update({ meta: { usage_count: 1 } })",
    "supabase.from('presets').update({ name: a ? usage_count : 0 })",
    "supabase.from('presets').update(x as { usage_count: number })",
    "supabase.from('presets').delete(); supabase.from('presets').insert(presetUsage)",
    "supabase.from('presets').select(); const a = { usage_count: 1 }",
    "const patch = { usage_count: 1 }; supabase.from('other').update(patch)",
    "function a() { const patch = { usage_count: 1 } }\nfunction b(patch) { supabase.from('presets').update(patch) }",
    "setPreset({ ...preset, usage_count: preset.usage_count + 1 })",
    "setPresets(presets.map((p) => ({ ...p, usage_count: p.usage_count + 1 })))",
    "const { usage_count } = preset; const { usage_count: uses } = presets[0]",
    "preset.usage_count += 1; stats.usage_count = 2",
    "presets.set(id, { usage_count: 1 }); presetUsage.delete(id); presetUsage.get(id)",
    "prisma.presets.update({ where: { usageCount: 0 }, data: { name } })",
    "prisma.presets.findMany({ where: { usageCount: { gt: 1 } }, orderBy: { usageCount: 'desc' } })",
    "prisma.presets.create({ data: { usageCount: 0 } }); prisma.presetUsage.findMany({}); prisma.presetUsage.count()",
    "export const presets = pgTable('presets', { usageCount: integer('usage_count').default(0) })",
    "const s = z.object({ usage_count: z.number() })",
    "db.select({ usageCount: presets.usageCount }).from(presets).where(eq(presets.usageCount, 1))",
    "db.insert(presets).values({ usageCount: 0 }); db.update(other).set({ usageCount: 1 })",
    "// supabase.rpc('track_preset_usage')\n/* knex('preset_usage').insert(a)\n sql`DELETE FROM preset_usage` */",
    "throw new Error('Failed to insert into preset_usage (id)')",
    "toast('Delete from preset_usage failed'); log('Insert into preset_usage failed')",
    "log('Could not call track_preset_usage(id)'); await track_preset_usage(id); rpc('other', 'track_preset_usage')",
    "sql`SELECT usage_count FROM presets WHERE usage_count = ${n}`",
    "return <Badge usage_count={preset.usage_count} onClick={() => go({ usage_count: 1 })}>uses</Badge>",
]
PY = [
    ('supabase.table("presets").update({"usage_count": n}).eq("id", i).execute()', WRITES, 1),
    ("(\n    supabase.table('presets')\n    .update({\n        'usage_count': n,\n    })\n)", WRITES, 4),
    ("supabase.table('preset_usage').insert({'preset_id': i}).execute()", INSERTS, 1),
    ("supabase.table('preset_usage').delete().eq('id', 1).execute()", DELETES, 1),
    ('supabase.rpc("track_preset_usage", {"id": 1}).execute()', CALLS, 1),
    ("session.execute(select(func.increment_preset_usage(1)))", CALLS, 1),
    ("preset.usage_count += 1", WRITES, 1),
    ("if a:\n    self.preset.usage_count = b", WRITES, 2),
    ("p = session.get(Preset, i)\np.usage_count += 1\nsession.commit()", WRITES, 2),
    ("session.execute(update(Preset).where(Preset.id == i).values(usage_count=Preset.usage_count + 1))", WRITES, 1),
    ("session.query(Preset).filter(Preset.id == 1).update({'usage_count': 1})", WRITES, 1),
    ("Preset.objects.filter(id=i).update(usage_count=5)", WRITES, 1),
    ('qs.update(\n    usage_count=F("usage_count") + 1\n)', WRITES, 2),
    ("Preset.objects.bulk_update(rows, ['usage_count'])", WRITES, 1),
    ("insert(Preset).values(a=1).on_conflict_do_update(set_={'usage_count': 1})", WRITES, 1),
    ("insert(Preset).values(a=1).on_conflict_do_update(set_=dict(usage_count=1))", WRITES, 1),
    ("values = {'usage_count': 1}\nsupabase.table('presets').update(values).execute()", WRITES, 1),
    ("session.add(PresetUsage(preset_id=1))", INSERTS, 1),
    ("session.add_all([\n    PresetUsage(preset_id=i) for i in ids\n])", INSERTS, 2),
    ("usage = PresetUsage(preset_id=1)\nsession.add(usage)", INSERTS, 1),
    ("PresetUsage(preset_id=1).save()", INSERTS, 1),
    ("PresetUsage.objects.create(preset=p)", INSERTS, 1),
    ("session.execute(insert(PresetUsage).values(a=1))", INSERTS, 1),
    ("PresetUsage.objects.filter(a=1).delete()", DELETES, 1),
    ("session.execute(delete(PresetUsage))", DELETES, 1),
    ('cur.execute("""\n    UPDATE presets\n    SET usage_count = %s\n""", (n,))', WRITES, 3),
    ("SQL = '''\nINSERT INTO preset_usage (id)\nVALUES (1)'''", INSERTS, 2),
    ("cur.execute(\n    'UPDATE presets '\n    # why\n    f'SET usage_count = {n} WHERE a'\n)", WRITES, 4),
    ("cur.execute(rb'DELETE FROM preset_usage')", DELETES, 1),
    ('cur.callproc("increment_preset_usage", [1])', CALLS, 1),
]
PY_NOT = [
    "def f():\n    row = {'usage_count': 1}\ndef g(row):\n    supabase.table('presets').update(row)",
    "class Preset(Base):\n    usage_count: Mapped[int] = mapped_column(default=0)\n    usage_count = Column(Integer)",
    "class PresetUsage(Base):\n    pass\ndef preset_usage(a):\n    pass",
    'def f():\n    """UPDATE presets SET usage_count = 1"""\n    return 1',
    '"""DELETE FROM preset_usage"""\nimport os',
    "# preset.usage_count += 1\nif preset.usage_count == 1: print(preset.usage_count)",
    "stats.usage_count += 1\nself.usage_count = 1",
    "stats = compute(presets)\nstats.usage_count = 3",
    "preset = {}\npreset.update({'usage_count': 1})\npayload.update(usage_count=1)",
    "Preset(usage_count=0)\nPreset.objects.filter(usage_count=0).update(name='x')",
    "Preset.objects.create(usage_count=0)\nqs.update(name=F('usage_count'))",
    "return {'usage_count': preset.usage_count}",
    "select(Preset).order_by(Preset.usage_count.desc()).where(Preset.usage_count == 1)",
    "usage = PresetUsage(preset_id=1)\nreturn usage",
    "PresetUsage.objects.filter(a=1).count()\nsession.add(Other())",
    "def f():\n    usage = PresetUsage(a=1)\ndef g(usage):\n    session.add(usage)",
    "raise ValueError('cannot insert into preset_usage (id)')",
]


@pytest.mark.parametrize(
    ("suffix", "text", "use", "line"),
    [("ts", *row) for row in TS] + [("tsx", *row) for row in TS[:3]] + [("py", *row) for row in PY],
)
def test_code_is_found(tmp_path: Path, suffix: str, text: str, use: Use, line: int) -> None:
    path = tmp_path / f"file.{suffix}"
    path.write_text(text)
    assert [(found.use, found.line) for found in in_file(path, functions=FUNCTIONS)] == [(use, line)]


@pytest.mark.parametrize(("suffix", "text"), [("tsx", text) for text in TS_NOT] + [("py", text) for text in PY_NOT])
def test_code_is_not_found(tmp_path: Path, suffix: str, text: str) -> None:
    path = tmp_path / f"file.{suffix}"
    path.write_text(text)
    assert in_file(path, functions=FUNCTIONS) == []


@pytest.mark.parametrize("suffix", ["ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "cts", "vue", "svelte", "TS"])
def test_every_suffix_is_read_as_script(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"file.{suffix}"
    path.write_text("<p>it's ` \n</p>\n<script>\nsupabase.rpc('track_preset_usage')\n</script>\n<style> ` </style>")
    assert [(found.use, found.line) for found in in_file(path, functions=FUNCTIONS)] == [(CALLS, 4)]


APPLICATION = {
    "app/api/presets/[id]/use/route.ts": """import { NextResponse } from 'next/server'
import { createClient } from '@/lib/supabase/server'

// The counter: UPDATE presets SET usage_count = usage_count + 1
export async function POST(request: Request, { params }: { params: Promise<{ id: string }> }) {
  const { id } = await params
  const supabase = await createClient()
  const { data: { user } } = await supabase.auth.getUser()
  if (!user) return NextResponse.json({ error: "You're signed out" }, { status: 401 })
  const { error } = await supabase
    .from('preset_usage')
    .insert({ preset_id: id, user_id: user.id, usage_type: 'load' })
  if (error) throw new Error(`Failed to insert into preset_usage: ${error.message}`)
  const { data: preset } = await supabase.from('presets').select('id, usage_count').eq('id', id).single()
  await supabase
    .from('presets')
    .update({
      usage_count: (preset?.usage_count ?? 0) + 1,
      last_used_at: new Date().toISOString(),
    })
    .eq('id', id)
  return NextResponse.json({ usage_count: preset?.usage_count })
}
""",
    "components/PresetCard.tsx": """'use client'
import { supabase } from '@/lib/supabase/client'
import type { Preset } from '@/types/database'

export function PresetCard({ preset, onUse }: { preset: Preset; onUse: (p: Preset) => void }) {
  const use = async () => {
    onUse({ ...preset, usage_count: preset.usage_count + 1 })
    await supabase.rpc('increment_preset_usage', { preset_id: preset.id })
  }
  return <button onClick={use}>Don't worry: {preset.usage_count === 1 ? 'once' : `${preset.usage_count} times`}</button>
}
""",
    "types/database.ts": """export type Database = { public: { Tables: {
  presets: { Row: { usage_count: number | null }; Insert: { usage_count?: number }; Update: { usage_count?: number } }
  preset_usage: { Row: { id: string }; Insert: { id?: string }; Update: { id?: string } }
} } }
""",
    "supabase/migrations/0001_usage.sql": """CREATE TABLE preset_usage (id uuid PRIMARY KEY, preset_id uuid REFERENCES presets);
CREATE FUNCTION increment_preset_usage(preset_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- one more
    UPDATE presets
    SET usage_count = usage_count + 1 WHERE id = preset_id;
END;
$$;
GRANT EXECUTE ON FUNCTION increment_preset_usage(uuid) TO authenticated;
""",
    "worker/prune.py": '''"""DELETE FROM preset_usage of long ago."""

def prune(connection, days):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM preset_usage
            WHERE created_at < now() - make_interval(days => %s)
            """,
            (days,),
        )
''',
    "node_modules/x/index.js": "supabase.rpc('increment_preset_usage')",
    "README.md": "UPDATE presets SET usage_count = 0",
    "public/app.js": "supabase.rpc('increment_preset_usage');" + "a" * 5_001,
}


@pytest.fixture
def application(tmp_path: Path) -> Path:
    for name, text in APPLICATION.items():
        path = tmp_path / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "app"


def _summary(places: tuple[Place, ...]) -> list[tuple[str, int, Use]]:
    return [(place.path.as_posix(), place.found.line, place.found.use) for place in places]


def test_an_application_is_scanned(application: Path) -> None:
    found = scan(application, functions=FUNCTIONS)
    assert _summary(found.places) == [
        ("app/api/presets/[id]/use/route.ts", 11, INSERTS),
        ("app/api/presets/[id]/use/route.ts", 18, WRITES),
        ("components/PresetCard.tsx", 8, CALLS),
        ("supabase/migrations/0001_usage.sql", 6, WRITES),
        ("worker/prune.py", 7, DELETES),
    ]
    assert found.places[2].found.text == "await supabase.rpc('increment_preset_usage', { preset_id: preset.id })"
    assert found.files_read == 5
    assert found.skipped == (
        "README.md: documentation",
        "node_modules/: a folder of others' or made files, not entered",
        "public/app.js: minified, with a line over 5,000 characters",
    )


def test_strange_files_are_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9")
    (tmp_path / "binary.ts").write_bytes(b"a\0b")
    (tmp_path / "large.sql").write_bytes(b" " * (2 * 1024 * 1024 + 1))
    (tmp_path / "marks.py").write_text("presets.usage_count" + "\n+" * 400_001)
    (tmp_path / "folder.sql").mkdir()
    (tmp_path / "bom.sql").write_bytes(b"\xef\xbb\xbfDELETE FROM preset_usage;\r\n")
    os.mkfifo(tmp_path / "pipe.sql")
    found = scan(tmp_path)
    assert _summary(found.places) == [("bom.sql", 1, DELETES)]
    assert found.skipped == (
        "binary.ts: binary",
        "large.sql: larger than 2 MB",
        "latin.py: not text in UTF-8",
        "marks.py: over 400,000 punctuation marks",
        "pipe.sql: not a regular file",
    )
    assert in_file(tmp_path / "pipe.sql") == in_file(tmp_path / "missing.sql") == in_file(tmp_path / "x\0.sql") == []


def test_links_are_not_followed(application: Path, tmp_path: Path) -> None:
    before = scan(application)
    (tmp_path / "outside.sql").write_text("DELETE FROM preset_usage")
    (application / "loop").symlink_to(application)
    (application / "out.sql").symlink_to(tmp_path / "outside.sql")
    (application / "again.sql").symlink_to(application / "supabase/migrations/0001_usage.sql")
    after = scan(application)
    assert (after.places, after.files_read) == (before.places, before.files_read)
    assert set(after.skipped) - set(before.skipped) == {
        f"{link}: a link, not followed" for link in ("again.sql", "loop", "out.sql")
    }
    (tmp_path / "link").symlink_to(application)
    assert scan(tmp_path / "link").places == before.places


def test_a_folder_that_cannot_be_entered_is_skipped(application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter = os.scandir

    def closed(path: Path) -> object:
        if path.name == "worker":
            raise PermissionError
        return enter(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = scan(application)
    assert "worker: cannot be entered" in found.skipped
    assert len(found.places) == 3


def test_a_name_that_is_no_text_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.sql")).write_bytes(b"\0")
    assert scan(tmp_path).skipped == ("\ufffd.sql: binary",)


@pytest.mark.parametrize("name", ["missing", "file.sql", "nul\0"])
def test_the_root_must_be_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.sql").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        scan(tmp_path / name)
    assert caught.value.hint


NASTY = [
    "'",
    '"',
    "`",
    "(",
    "( ",
    "{",
    "`${",
    "/*",
    "/",
    " ",
    "\n",
    "\\'",
    '"\\"',
    "$a$",
    "/[",
    '"""',
    "<script ",
    "a.b",
]
NASTY += [
    "E'\\'",
    "$a$ $b$ ",
    "execute ",
    "format(",
    "update presets set (a,",
    "truncate a, ",
    "copy preset_usage (",
    "as $x$",
]
NASTY += [
    ".from('presets').update(",
    "update(usage_count=F(",
    "{usage_count:",
    "[{usage_count,",
    "x = {usage_count: x = ",
]
NASTY += [
    "a<",
    "a<b,",
    "usage_count,",
    ".usage_count=",
    "q := 'update ' ",
    ";",
    "from stdin;\n",
    "delete from preset_usage a ",
]


TRACED = [language for language in LANGUAGES if language.name in ("javascript", "python", "ruby")]


def _steps(text: str) -> int:
    """The lines of Python run to read a text: what grows faster than the text shows without a clock."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        in_sql(text, functions=FUNCTIONS)
        for language in TRACED:
            clients.in_code(text, language, FUNCTIONS)
        code.scripts(text)
        anywhere.in_text(text, FUNCTIONS)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("piece", NASTY)
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    start = "UPDATE presets SET usage_count = 1;\n"
    small, large = (_steps(start + piece * times) for times in (75, 300))
    assert large < 4.6 * small + 2_000


@pytest.mark.parametrize("piece", NASTY)
def test_nasty_files_are_read(tmp_path: Path, piece: str) -> None:
    """It ends before the time limit of a test by far; a pattern that backtracks does not."""
    text = "UPDATE presets SET usage_count = 1;\n" + (piece * (40_000 // len(piece)))
    for suffix in ("sql", "ts", "py", "vue", "rb", "yml"):
        path = tmp_path / f"file.{suffix}"
        path.write_text(text if suffix == "sql" else re.sub("(.{4000})", r"\1\n", text, flags=re.DOTALL))
        in_file(path, functions=FUNCTIONS)
