"""What is found in the source of applications in many languages, and what looks like it and is not: a table of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from usagefix.reading import Use, in_file, scan

FUNCTIONS = ("increment_preset_usage", "track_preset_usage")
WRITES, INSERTS, DELETES, CALLS, CARRIES = (
    Use.WRITES_COUNTER, Use.INSERTS_EVENT, Use.DELETES_EVENT, Use.CALLS, Use.INSERTS_COUNTER,
)  # fmt: skip

# By file name: a text, what it does, and on which line.
FOUND: dict[str, list[tuple[str, Use, int]]] = {
    "a.rb": [
        ("Preset.connection.execute(\"UPDATE presets SET usage_count = usage_count + 1 WHERE id = #{id}\")", WRITES, 1),
        ("sql = <<~SQL\n  UPDATE presets\n  SET usage_count = usage_count + 1\nSQL\nconn.exec(sql)", WRITES, 3),
        ("sql = 'UPDATE presets ' \\\n  'SET usage_count = 0'", WRITES, 2),
        ("execute(%q(UPDATE presets SET usage_count = 0))", WRITES, 1),
        ("preset.usage_count += 1\npreset.save!", WRITES, 1),
        ("p = Preset.find(id)\np.usage_count += 1\np.save", WRITES, 2),
        ("preset.increment!(:usage_count)", WRITES, 1),
        ("preset.increment! :usage_count", WRITES, 1),
        ("Preset.increment_counter(:usage_count, id)", WRITES, 1),
        ("Preset.update_counters(id, usage_count: 1)", WRITES, 1),
        ("Preset.where(id: id).update_all('usage_count = usage_count + 1')", WRITES, 1),
        ("Preset.where(id: id).update_all(usage_count: 0)", WRITES, 1),
        ("Preset.update_all(['usage_count = ?', 0])", WRITES, 1),
        ("@preset.update(usage_count: @preset.usage_count + 1)", WRITES, 1),
        ("@preset.update_column(:usage_count, 3)", WRITES, 1),
        ("Preset.find_each do |p|\n  p.update!(usage_count: p.preset_usages.count)\nend", WRITES, 2),
        ("class PresetUsage < ApplicationRecord\n  belongs_to :preset, counter_cache: :usage_count\nend", WRITES, 2),
        ("class Preset < ApplicationRecord\n  def used!\n    self.usage_count += 1\n  end\nend", WRITES, 3),
        ("PresetUsage.create!(preset: preset)", INSERTS, 1),
        ("PresetUsage.where(preset: p).delete_all", DELETES, 1),
        ("Preset.create!(name: n, usage_count: other.usage_count)", CARRIES, 1),
    ],
    "a.php": [
        ("<?php\nDB::statement('UPDATE presets SET usage_count = usage_count + 1 WHERE id = ?', [$id]);", WRITES, 2),
        ("<?php\n$sql = \"UPDATE presets\"\n . \" SET usage_count = usage_count + 1\";", WRITES, 3),
        ("<?php\n$sql = <<<SQL\nUPDATE presets SET usage_count = 0\nSQL;\n", WRITES, 3),
        ("<?php\nPreset::where('id', $id)->increment('usage_count');", WRITES, 2),
        ("<?php\n$preset->increment('usage_count');", WRITES, 2),
        ("<?php\n$preset->usage_count++;\n$preset->save();", WRITES, 2),
        ("<?php\n$p = Preset::find($id);\n$p->usage_count += 1;\n$p->save();", WRITES, 3),
        ("<?php\nDB::table('presets')->where('id', $id)->update(['usage_count' => DB::raw('usage_count + 1')]);", WRITES, 2),
        ("<?php\n$preset->update(['name' => $n, 'usage_count' => $preset->usage_count + 1]);", WRITES, 2),
        ("<?php\nforeach ($presets as $p) {\n  $p->usage_count = $p->usage_count + 1;\n}", WRITES, 3),
        ("<?php\nDB::table('preset_usage')->insert(['preset_id' => $id]);", INSERTS, 2),
        ("<?php\nPreset::create(['name' => $n, 'usage_count' => $request->input('usage_count')]);", CARRIES, 2),
    ],
    "a.go": [
        ("db.Exec(`\n\tUPDATE presets\n\tSET usage_count = usage_count + 1\n\tWHERE id = $1`, id)", WRITES, 3),
        ("db.Exec(\"UPDATE presets \" +\n\t\"SET usage_count = usage_count + 1\")", WRITES, 2),
        ("db.Model(&Preset{}).Where(\"id = ?\", id).Update(\"usage_count\", gorm.Expr(\"usage_count + 1\"))", WRITES, 1),
        ("db.Model(&preset).UpdateColumn(\"usage_count\", gorm.Expr(\"usage_count + ?\", 1))", WRITES, 1),
        ("db.Model(&preset).Updates(map[string]interface{}{\"usage_count\": n})", WRITES, 1),
        ("preset.UsageCount++\ndb.Save(&preset)", WRITES, 1),
        ("var p Preset\ndb.First(&p, id)\np.UsageCount += 1\ndb.Save(&p)", WRITES, 3),
        ("rows, err := db.Query(\"SELECT increment_preset_usage($1)\", id)", CALLS, 1),
        ("db.Exec(\"INSERT INTO preset_usage (preset_id) VALUES ($1)\", id)", INSERTS, 1),
        ("db.Exec(\"INSERT INTO presets (name, usage_count) VALUES ($1, $2)\", n, c)", CARRIES, 1),
    ],
    "A.java": [
        ("jdbc.update(\"UPDATE presets SET usage_count = usage_count + 1 WHERE id = ?\", id);", WRITES, 1),
        ("String q = \"\"\"\n  UPDATE presets\n  SET usage_count = usage_count + 1\n  \"\"\";", WRITES, 3),
        ("String q = \"UPDATE presets \"\n  + \"SET usage_count = 0\";", WRITES, 2),
        ("@Modifying\n@Query(\"UPDATE Preset p SET p.usageCount = p.usageCount + 1 WHERE p.id = :id\")", WRITES, 2),
        ("preset.setUsageCount(preset.getUsageCount() + 1);\nrepository.save(preset);", WRITES, 1),
        ("Preset p = repo.findById(id).get();\np.setUsageCount(p.getUsageCount() + 1);", WRITES, 2),
        ("class Preset {\n  private int usageCount;\n  void used() { usageCount++; }\n}", WRITES, 3),
        ("class Preset {\n  int usageCount;\n  void used() {\n    this.usageCount += 1;\n  }\n}", WRITES, 4),
        ("dsl.update(PRESETS).set(PRESETS.USAGE_COUNT, PRESETS.USAGE_COUNT.plus(1)).execute();", WRITES, 1),
    ],
    "A.cs": [
        ("db.Database.ExecuteSql($\"UPDATE presets SET usage_count = usage_count + 1 WHERE id = {id}\");", WRITES, 1),
        ("var sql = @\"UPDATE presets\n SET usage_count = 0 WHERE name = \"\"x\"\"\";", WRITES, 2),
        ("preset.UsageCount++;\nawait db.SaveChangesAsync();", WRITES, 1),
        ("var p = await db.Presets.FindAsync(id);\np.UsageCount += 1;", WRITES, 2),
        ("foreach (var p in db.Presets)\n  p.UsageCount = p.UsageCount + 1;", WRITES, 2),
        ("await db.Presets.Where(p => p.Id == id)\n .ExecuteUpdateAsync(s => s.SetProperty(p => p.UsageCount, p => p.UsageCount + 1));", WRITES, 2),
    ],
    "a.kt": [
        ("jdbc.update(\"\"\"\n  UPDATE presets SET usage_count = usage_count + 1\n\"\"\")", WRITES, 2),
        ("Presets.update({ Presets.id eq id }) {\n  it[usageCount] = usageCount + 1\n}", WRITES, 2),
        ("preset.usageCount++\nrepository.save(preset)", WRITES, 1),
        ("repository.save(preset.copy(usageCount = preset.usageCount + 1))", WRITES, 1),
        ("supabase.postgrest.rpc(\"increment_preset_usage\", args)", CALLS, 1),
    ],
    "a.ex": [
        ("Repo.query!(\"UPDATE presets SET usage_count = usage_count + 1 WHERE id = $1\", [id])", WRITES, 1),
        ("execute \"\"\"\nUPDATE presets SET usage_count = 0\n\"\"\"", WRITES, 2),
        ("Repo.update_all(from(p in Preset, where: p.id == ^id), inc: [usage_count: 1])", WRITES, 1),
        ("from(p in Preset, where: p.id == ^id)\n|> Repo.update_all(inc: [usage_count: 1])", WRITES, 2),
        ("preset\n|> Ecto.Changeset.change(usage_count: preset.usage_count + 1)\n|> Repo.update()", WRITES, 2),
        ("Ecto.Changeset.change(preset, usage_count: preset.usage_count + 1)", WRITES, 1),
        ("sql = \"UPDATE presets \" <>\n  \"SET usage_count = 0\"", WRITES, 2),
    ],
    "a.rs": [
        ("sqlx::query!(\"UPDATE presets SET usage_count = usage_count + 1 WHERE id = $1\", id)", WRITES, 1),
        ("sqlx::query(r#\"\n  UPDATE presets SET usage_count = 0\n\"#)", WRITES, 2),
        ("diesel::update(presets.find(id))\n  .set(usage_count.eq(usage_count + 1))", WRITES, 2),
        ("diesel::update(presets::table).set(presets::usage_count.eq(1))", WRITES, 1),
        ("fn f<'a>(x: &'a str) { q(\"DELETE FROM preset_usage\") }", DELETES, 1),
    ],
    "a.swift": [
        ("try await supabase.from(\"presets\").update([\"usage_count\": n]).eq(\"id\", value: id)", WRITES, 1),
        ("try await supabase.rpc(\"increment_preset_usage\", params: p)", CALLS, 1),
    ],
    "a.dart": [
        ("await supabase.from('presets').update({'usage_count': n}).eq('id', id);", WRITES, 1),
        ("await db.execute('UPDATE presets '\n  'SET usage_count = 0');", WRITES, 2),
    ],
    "a.pl": [("$dbh->do('UPDATE presets SET usage_count = 0');", WRITES, 1)],
    "a.lua": [("db.query([[\nUPDATE presets SET usage_count = 0\n]])", WRITES, 2)],
    "a.cpp": [("w.exec(\"UPDATE presets \"\n  \"SET usage_count = 0\");", WRITES, 2)],
    "a.scala": [("sql\"UPDATE presets SET usage_count = $n\".update", WRITES, 1)],
    "a.sh": [
        ("psql \"$DATABASE_URL\" -c 'UPDATE presets SET usage_count = 0'", WRITES, 1),
        ("psql <<SQL\nUPDATE presets\n  SET usage_count = 0;\nSQL", WRITES, 3),
        ("psql -c \"\n  -- why\n  UPDATE presets SET usage_count = 0\"", WRITES, 3),
        ("curl -X POST \"$URL/rest/v1/rpc/increment_preset_usage\"", CALLS, 1),
    ],
    "Makefile": [("reset:\n\tpsql -c 'UPDATE presets SET usage_count = 0'", WRITES, 2)],
    "Rakefile": [("ActiveRecord::Base.connection.execute('UPDATE presets SET usage_count = 0')", WRITES, 1)],
    "cron.yml": [
        ("jobs:\n  - run: |\n      psql -c \"UPDATE presets SET usage_count = 0\"", WRITES, 3),
        ("sql: >\n  UPDATE presets\n  SET usage_count = usage_count + 1", WRITES, 3),
        ("hook: SELECT increment_preset_usage(id) FROM presets", CALLS, 1),
    ],
    "config.toml": [("query = '''\nINSERT INTO preset_usage (preset_id) VALUES (1)\n'''", INSERTS, 2)],
    "queries.json": [("{\"q\": \"DELETE FROM preset_usage WHERE id = 1\"}", DELETES, 1)],
    "mapper.xml": [("<update id=\"use\">\n  UPDATE presets SET usage_count = usage_count + 1\n</update>", WRITES, 2)],
    "use.graphql": [("mutation {\n  update_presets(where: {id: {_eq: 1}}, _inc: {usage_count: 1}) { id }\n}", WRITES, 2)],
    "schema.zig": [("const q = \"UPDATE presets SET usage_count = 0\";", WRITES, 1)],
    "a.ts": [
        ("const { usage_count } = await request.json()\nawait supabase.from('presets').insert({ name, usage_count })", CARRIES, 2),
        ("await supabase.from('presets').insert({ name, usage_count: body.usage_count })", CARRIES, 1),
        ("await supabase.from('presets').update({ usage_count: body.usage_count + 1 }).eq('id', id)", WRITES, 1),
        ("await prisma.preset.create({ data: { name, usageCount: source.usageCount } })", CARRIES, 1),
        ("await pool.query('INSERT INTO presets (name, usage_count) SELECT name, usage_count FROM presets')", CARRIES, 1),
        ("preset.usageCount++\nawait preset.save()", WRITES, 1),
        ("const preset = await repo.findOne({ id })\npreset.usageCount += 1\nawait repo.save(preset)", WRITES, 2),
        ("preset.usageCount++\nawait em.flush()", WRITES, 1),
        ("const M = gql`\n  mutation { update_presets_by_pk(pk_columns: {id: $id}, _inc: {usage_count: 1}) { id } }`", WRITES, 2),
        ("await fetch(`${url}/rest/v1/presets?id=eq.${id}`, { method: 'PATCH', body: JSON.stringify({ usage_count: n }) })", WRITES, 1),
        ("qb.update(Preset).set({ usageCount: () => 'usage_count + 1' }).execute()", WRITES, 1),
        ("await db.query(`UPDATE \"Preset\" SET \"usageCount\" = 1`); sql`UPDATE presets SET usage_count = 1`", WRITES, 1),
    ],
    "a.py": [
        ("Preset.objects.filter(pk=i).update(usage_count=F('usage_count') + 1)", WRITES, 1),
        ("for p in Preset.objects.all():\n    p.usage_count += 1\n    p.save()", WRITES, 2),
        ("def use(p: Preset):\n    p.usage_count += 1", WRITES, 2),
        ("class Preset(models.Model):\n    def used(self):\n        self.usage_count += 1", WRITES, 3),
        ("Preset.objects.create(name=n, usage_count=request.data['usage_count'])", CARRIES, 1),
        ("supabase.table('presets').insert({'name': n, 'usage_count': payload.usage_count}).execute()", CARRIES, 1),
    ],
}  # fmt: skip

NOT: dict[str, list[str]] = {
    "a.rb": [
        "usage_count = 0\nusage_count += 1",
        "post.usage_count += 1\nPost.where(id: 1).update_all(usage_count: 0)",
        "# UPDATE presets SET usage_count = 0\n=begin\nUPDATE presets SET usage_count = 0\n=end",
        "preset.posts.update_all(usage_count: 0)",
        "add_column :presets, :usage_count, :integer, default: 0",
        "Preset.order(usage_count: :desc).where(usage_count: 0).pluck(:usage_count)",
        "puts \"#{preset.usage_count} uses\"\nexpect(preset.usage_count).to eq 1",
        "Preset.create!(name: n, usage_count: 0)",
        "class Post\n  def used!\n    self.usage_count += 1\n  end\nend",
        "class Comment\n  belongs_to :post, counter_cache: :usage_count\nend",
        "execute <<~SQL\n  UPDATE posts SET usage_count = 0\nSQL\n",
    ],
    "a.php": [
        "<?php\n$usage_count = 0; $usage_count++;",
        "<?php\n// UPDATE presets SET usage_count = 0\n# UPDATE presets SET usage_count = 0\n/* UPDATE presets SET usage_count = 0 */",
        "<?php\n$post->usage_count++; $post->increment('usage_count');",
        "<?php\nDB::table('posts')->update(['usage_count' => 1]);",
        "<?php\nreturn ['id' => $preset->id, 'usage_count' => $preset->usage_count];",
        "<?php\nprotected $fillable = ['name', 'usage_count'];",
        "<?php\n$table->integer('usage_count')->default(0);",
        "<?php\nPreset::where('usage_count', '>', 1)->orderBy('usage_count')->update(['name' => 'x']);",
    ],
    "a.go": [
        "usageCount := 0\nusageCount++",
        "// UPDATE presets SET usage_count = 0\n/* DELETE FROM preset_usage */",
        "post.UsageCount++\ndb.Save(&post)",
        "type Preset struct {\n\tUsageCount int `json:\"usage_count\" db:\"usage_count\"`\n}",
        "db.Model(&Post{}).Update(\"usage_count\", 1)",
        "preset.UsageCount++ // shown, not stored\nrender(preset)",
        "rows.Scan(&preset.UsageCount)",
        "db.Exec(\"INSERT INTO presets (name, usage_count) VALUES ($1, 0)\", n)",
    ],
    "A.java": [
        "int usageCount = 0;\nusageCount++;",
        "class Counter {\n  int usageCount;\n  void used() { usageCount++; }\n}",
        "class Preset {\n  void f() {\n    int usageCount = 0;\n    usageCount++;\n  }\n}",
        "preset.setUsageCount(rs.getInt(\"usage_count\"));",
        "dto.setUsageCount(preset.getUsageCount());",
        "post.setUsageCount(post.getUsageCount() + 1);",
        "@Column(name = \"usage_count\") private int usageCount;",
        "log.info(\"Could not update presets set usage_count\");",
        "dsl.update(POSTS).set(POSTS.USAGE_COUNT, 1).execute();",
    ],
    "A.cs": [
        "var usageCount = 0; usageCount++;",
        "post.UsageCount++;",
        "var q = db.Presets.OrderBy(p => p.UsageCount).Select(p => new { p.UsageCount });",
        "await db.Posts.ExecuteUpdateAsync(s => s.SetProperty(p => p.UsageCount, p => 1));",
        "modelBuilder.Entity<Preset>().Property(p => p.UsageCount).HasColumnName(\"usage_count\");",
        "/// <summary>UPDATE presets SET usage_count = 1</summary>",
    ],
    "a.kt": [
        "var usageCount = 0\nusageCount++",
        "data class Preset(val id: String, val usageCount: Int = 0)",
        "_state.value = preset.copy(usageCount = preset.usageCount + 1)",
        "Posts.update({ Posts.id eq id }) { it[usageCount] = usageCount + 1 }",
        "object Presets : Table(\"presets\") { val usageCount = integer(\"usage_count\").default(0) }",
    ],
    "a.ex": [
        "@doc \"\"\"\nUPDATE presets SET usage_count = 0\n\"\"\"\ndef f, do: 1",
        "usage_count = usage_count + 1",
        "field :usage_count, :integer, default: 0",
        "Repo.update_all(Post, inc: [usage_count: 1])",
        "%{usage_count: preset.usage_count}",
        "# Repo.query!(\"UPDATE presets SET usage_count = 0\")",
    ],
    "a.rs": [
        "let mut usage_count = 0;\nusage_count += 1;",
        "// UPDATE presets SET usage_count = 0\n/// DELETE FROM preset_usage",
        "diesel::update(posts.find(id)).set(usage_count.eq(1))",
        "pub struct Preset { pub usage_count: i32 }",
        "let p = Preset { usage_count: 0 };",
    ],
    "a.swift": ["struct Preset: Codable { let usage_count: Int }\nvar usageCount = 0\nusageCount += 1"],
    "a.dart": ["setState(() { preset.usageCount++; });", "final usage_count = json['usage_count'];"],
    "a.sh": [
        "# psql -c 'UPDATE presets SET usage_count = 0'\nusage_count=$((usage_count + 1))",
        "echo \"UPDATE failed for presets\"",
        "psql -c 'SELECT usage_count FROM presets'",
    ],
    "cron.yml": [
        "# sql: UPDATE presets SET usage_count = 0\nusage_count: 0",
        "sql: SELECT usage_count FROM presets\nother: UPDATE posts SET usage_count = 0",
        "description: how to update presets, set by usage_count",
    ],
    "queries.json": ["{\"usage_count\": 1, \"table\": \"presets\"}"],
    "a.lua": ["-- UPDATE presets SET usage_count = 0\nlocal usage_count = 1"],
    "schema.zig": ["// UPDATE presets SET usage_count = 0"],
    "README.md": ["UPDATE presets SET usage_count = 0"],
    "a.ts": [
        "let usage_count = 0; usage_count += 1; usageCount++",
        "posts.usage_count += 1; await post.save()",
        "await supabase.from('posts').update({ usage_count: 1 })",
        "const M = gql`mutation { update_posts_by_pk(pk_columns: {id: $id}, _inc: {usage_count: 1}) { id } }`",
        "await fetch(`${url}/rest/v1/posts?id=eq.${id}`, { method: 'PATCH', body: JSON.stringify({ usage_count: n }) })",
        "await fetch('/api/track', { method: 'POST', body: JSON.stringify({ usage_count: preset.usage_count }) })",
        "await supabase.from('presets').insert({ name, usage_count: 0 })",
        "await prisma.post.create({ data: { usageCount: body.usageCount } })",
        "preset.usageCount++; setPreset(preset)",
        "const { usage_count } = await request.json(); console.log(usage_count)",
    ],
    "a.py": [
        "usage_count = 0\nusage_count += 1",
        "post.usage_count += 1\nPost.objects.update(usage_count=F('likes'))",
        "for p in Post.objects.all():\n    p.usage_count += 1",
        "class Post(Model):\n    def used(self):\n        self.usage_count += 1",
        "Post.objects.create(usage_count=request.data['usage_count'])",
        "Preset.objects.create(usage_count=0)",
        "preset.stats.usage_count += 1",
    ],
}  # fmt: skip
EACH = [(name, *row) for name, rows in FOUND.items() for row in rows]
NONE = [(name, text) for name, texts in NOT.items() for text in texts]


@pytest.mark.parametrize(("name", "text", "use", "line"), EACH)
def test_it_is_found(tmp_path: Path, name: str, text: str, use: Use, line: int) -> None:
    (tmp_path / name).write_text(text)
    assert [(found.use, found.line) for found in in_file(tmp_path / name, functions=FUNCTIONS)] == [(use, line)]


@pytest.mark.parametrize(("name", "text"), NONE)
def test_it_is_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert in_file(tmp_path / name, functions=FUNCTIONS) == []


REQUESTED = {
    "a.ts": "await supabase.from('presets').insert({ usage_count: body.usage_count })",
    "b.ts": "const { usage_count: n } = await request.json()\nawait supabase.from('presets').update({ usage_count: n + 1 })",
    "c.ts": "await prisma.preset.create({ data: { usageCount: req.body.usageCount } })",
    "a.py": "data = await request.json()\nsupabase.table('presets').insert({'usage_count': data['usage_count']}).execute()",
    "a.rb": "Preset.create!(usage_count: params[:usage_count])",
    "a.php": "<?php\nPreset::create(['usage_count' => $request->input('usage_count')]);",
}
OWN = {
    "a.ts": "await supabase.from('presets').insert({ usage_count: source.usage_count })",
    "b.ts": "const { id } = await request.json()\nawait supabase.from('presets').update({ usage_count: preset.usage_count + 1 }).eq('id', id)",
    "a.rb": "Preset.create!(usage_count: other.usage_count)",
}


@pytest.mark.parametrize("name", REQUESTED)
def test_a_value_that_a_request_brings_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(REQUESTED[name])
    assert [found.name for found in in_file(tmp_path / name)] == ["request"]


@pytest.mark.parametrize("name", OWN)
def test_a_value_of_the_application_s_own_is_not_a_request_s(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(OWN[name])
    assert [found.name for found in in_file(tmp_path / name)] == [""]


def test_what_is_not_read_is_named_with_the_reason(tmp_path: Path) -> None:
    files = {
        "app/use.rb": "preset.increment!(:usage_count)",
        "app/notes.txt": "UPDATE presets SET usage_count = 0",
        "README.md": "UPDATE presets SET usage_count = 0",
        "spec/models/preset_spec.rb": "preset.increment!(:usage_count)",
        "src/use.test.ts": "supabase.rpc('increment_preset_usage')",
        ".env": "DATABASE_URL=postgresql://u:secret@h/d",
        "Dockerfile": "RUN echo",
        "logo.png": "\x89PNG\0",
        "data.bin": "a\0b",
        "big.json": " " * (2 * 1024 * 1024 + 1),
        "node_modules/x/index.js": "supabase.rpc('increment_preset_usage')",
        "vendor/gem/a.rb": "preset.increment!(:usage_count)",
        ".git/config": "[core]",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = scan(tmp_path, functions=FUNCTIONS)
    assert [(place.path.as_posix(), place.found.use) for place in found.places] == [("app/use.rb", WRITES)]
    assert found.files_read == 2
    assert found.skipped == (
        ".env: may hold secrets",
        ".git/: a folder of others' or made files, not entered",
        "README.md: documentation",
        "app/notes.txt: documentation",
        "big.json: larger than 2 MB",
        "data.bin: binary",
        "logo.png: binary",
        "node_modules/: a folder of others' or made files, not entered",
        "spec/: tests, not entered",
        "src/use.test.ts: tests",
        "vendor/: a folder of others' or made files, not entered",
    )
