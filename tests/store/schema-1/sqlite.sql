-- SPDX-License-Identifier: MIT
--
-- The schema of a pymodfs database. `pymodfs init DB` runs this very text; so does
--
--	sqlite3 -bail DB < schema.sql
--
-- The first table is the user's, and the truth: any SQL client may insert, update and delete its
-- rows with nothing but a name and a source. Everything else is kept beside it, in tables named
-- pymodfs_*, by the triggers below, so that a change by SQL and a save in an editor are the same
-- event. An existing table is adopted by running this text with three quoted identifiers (the
-- table and its two columns, which are quoted nowhere else) replaced.
--
-- What keeps the triggers working in every SQLite client: only core functions and json_each (the
-- other JSON functions are refused where the schema is not trusted); no WITH; no statement that
-- meets a conflict (the ON CONFLICT clause of the statement that fires a trigger overrides the ones
-- inside it); no trigger that has to fire itself (recursive_triggers is off by default, and both
-- settings must do). A view with an INSTEAD OF INSERT trigger serves as a subroutine: inserting
-- into it is a call.
--
-- Times are nanoseconds since the epoch.

PRAGMA journal_mode = WAL;
SAVEPOINT pymodfs_init;

-- A name is a dotted module name; a.b is the file a/b.py, a.__init__ is a/__init__.py. The source
-- has no declared type, so that its bytes stay as they are: text where they are UTF-8, else a blob.
CREATE TABLE IF NOT EXISTS "module" (
	"name" TEXT PRIMARY KEY NOT NULL,
	"source" NOT NULL DEFAULT ''
);

CREATE TABLE pymodfs_setting (
	key TEXT PRIMARY KEY NOT NULL,
	value
) WITHOUT ROWID;

-- Whatever has a name in the tree.
CREATE TABLE pymodfs_node (
	id INTEGER PRIMARY KEY AUTOINCREMENT,	-- st_ino; 1 is the root
	kind TEXT NOT NULL,			-- m module, f other file, l symbolic link, d directory
	parent INTEGER,				-- the directory's id; NULL: hidden, the name can't be a path
	base TEXT,				-- the file name in that directory
	name,					-- modules: the row's name
	path TEXT,				-- directories: a/b; '' is the root
	auto INTEGER NOT NULL DEFAULT 0,	-- directories: only there because a module's name needs it
	version INTEGER NOT NULL DEFAULT 0,	-- the current version; 0 for directories
	mode INTEGER,				-- permission bits; NULL: the mount's default
	uid INTEGER,
	gid INTEGER,
	size INTEGER NOT NULL DEFAULT 0,
	atime INTEGER NOT NULL,
	mtime INTEGER NOT NULL,
	ctime INTEGER NOT NULL
);

-- Every content that a file ever had. The current content of a module stands in the user's table
-- alone, that of another file in pymodfs_resource; it moves here when it is replaced or deleted.
CREATE TABLE pymodfs_version (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	node INTEGER NOT NULL,
	path TEXT,				-- the file's path at that time; NULL: it was hidden
	size INTEGER NOT NULL,
	mtime INTEGER NOT NULL,			-- the file's mtime with this content
	time INTEGER NOT NULL,			-- when it was made
	uid INTEGER,				-- who made it through a mount;
	pid INTEGER,				-- all three NULL: somebody with an SQL client
	command TEXT,
	content					-- NULL: current, or no longer kept
);

-- The feed: what happened, in order. A rename is a delete and an insert.
CREATE TABLE pymodfs_change (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	op TEXT NOT NULL,			-- i insert, u update, d delete, a attributes
	kind TEXT NOT NULL,
	node INTEGER NOT NULL,
	parent INTEGER NOT NULL,		-- the directory: its id then
	dir TEXT NOT NULL,			-- the directory: its path then
	base TEXT NOT NULL,			-- the file name in it
	version INTEGER NOT NULL DEFAULT 0,	-- after the change
	old_version INTEGER NOT NULL DEFAULT 0,	-- before the change
	time INTEGER NOT NULL,
	uid INTEGER,
	pid INTEGER,
	command TEXT
);

-- Content of the files that are no modules, and targets of symbolic links.
CREATE TABLE pymodfs_resource (
	node INTEGER PRIMARY KEY,
	content BLOB NOT NULL
);

-- Who is writing: one row inside a transaction of a mount, none otherwise.
CREATE TABLE pymodfs_origin (
	uid INTEGER,
	pid INTEGER,
	command TEXT
);

-- Rows that a REPLACE may have deleted because of a key other than the name: until the end of the statement.
CREATE TABLE pymodfs_suspect (
	name
);

CREATE VIEW pymodfs_now (ns) AS
SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER) * 1000000;

-- Where each module belongs: its directory, the names on the way there as a JSON array, its file
-- name. All NULL for a name that can't be a path. rtrim(x, replace(x, '.', '')) is what stands
-- before the last dot, and that dot.
CREATE VIEW pymodfs_place (id, dir, steps, base) AS
SELECT id,
	CASE WHEN ok THEN replace(substr(prefix, 1, length(prefix) - 1), '.', '/') END,
	CASE WHEN NOT ok THEN NULL WHEN prefix = '' THEN '[]'
	ELSE '["' || replace(replace(replace(substr(prefix, 1, length(prefix) - 1),
		'\', '\\'), '"', '\"'), '.', '","') || '"]' END,
	CASE WHEN ok THEN substr(name, length(prefix) + 1) || '.py' END
FROM (
	SELECT id, name, rtrim(name, replace(name, '.', '')) AS prefix,
		CASE WHEN typeof(name) <> 'text' THEN 0
		WHEN length(CAST(name AS BLOB)) > 4092 THEN 0
		WHEN instr(CAST(name AS BLOB), x'00') THEN 0
		WHEN instr(name, '/') THEN 0
		WHEN name GLOB '*[' || char(1) || '-' || char(31) || ']*' THEN 0
		WHEN instr('.' || name || '.', '..') THEN 0
		WHEN length(CAST(name AS BLOB)) <= 252 THEN 1
		ELSE NOT EXISTS (
			SELECT 1 FROM json_each('["' || replace(replace(replace(name,
				'\', '\\'), '"', '\"'), '.', '","') || '"]')
			WHERE length(CAST(value AS BLOB)) > 255
		) AND length(CAST(substr(name, length(rtrim(name, replace(name, '.', ''))) + 1) AS BLOB)) <= 252
		END AS ok
	FROM pymodfs_node WHERE kind = 'm'
);

-- What the user's table already holds: one pass each for rows, directories, places and versions,
-- before there are indexes and triggers.
INSERT INTO pymodfs_node (id, kind, path, base, atime, mtime, ctime)
SELECT 1, 'd', '', '', ns, ns, ns FROM pymodfs_now;

INSERT INTO pymodfs_node (id, kind, name, version, size, atime, mtime, ctime)
SELECT 1 + row_number() OVER (), 'm', "name", row_number() OVER (),
	coalesce(length(CAST("source" AS BLOB)), 0), ns, ns, ns
FROM "module", pymodfs_now WHERE "name" IS NOT NULL;

INSERT INTO pymodfs_node (kind, path, base, auto, atime, mtime, ctime)
WITH RECURSIVE above (path) AS (
	SELECT DISTINCT dir FROM pymodfs_place WHERE dir <> ''
	UNION
	SELECT substr(path, 1, length(rtrim(path, replace(path, '/', ''))) - 1)
	FROM above WHERE instr(path, '/')
)
SELECT 'd', path, substr(path, length(rtrim(path, replace(path, '/', ''))) + 1), 1, ns, ns, ns
FROM above, pymodfs_now ORDER BY path;

CREATE UNIQUE INDEX pymodfs_node_path ON pymodfs_node (path) WHERE path IS NOT NULL;

UPDATE pymodfs_node SET (parent, base) = (
	SELECT d.id, p.base FROM pymodfs_place p JOIN pymodfs_node d ON d.path = p.dir
	WHERE p.id = pymodfs_node.id
) WHERE kind = 'm';

UPDATE pymodfs_node SET parent = (
	SELECT d.id FROM pymodfs_node d
	WHERE d.path = substr(pymodfs_node.path, 1, max(length(pymodfs_node.path) - length(pymodfs_node.base) - 1, 0))
) WHERE kind = 'd' AND id <> 1;

INSERT INTO pymodfs_version (id, node, path, size, mtime, time)
SELECT n.version, n.id, CASE WHEN d.path = '' THEN n.base ELSE d.path || '/' || n.base END,
	n.size, n.mtime, n.ctime
FROM pymodfs_node n LEFT JOIN pymodfs_node d ON d.id = n.parent WHERE n.kind = 'm';

CREATE UNIQUE INDEX pymodfs_node_base ON pymodfs_node (parent, base) WHERE parent IS NOT NULL;
CREATE INDEX pymodfs_node_parent ON pymodfs_node (parent) WHERE parent IS NOT NULL;
CREATE INDEX pymodfs_node_dirs ON pymodfs_node (parent) WHERE kind = 'd';
CREATE UNIQUE INDEX pymodfs_node_name ON pymodfs_node (name) WHERE name IS NOT NULL;
CREATE INDEX pymodfs_node_other ON pymodfs_node (kind) WHERE kind <> 'm';
CREATE INDEX pymodfs_node_hidden ON pymodfs_node (id) WHERE parent IS NULL;
CREATE INDEX pymodfs_version_node ON pymodfs_version (node);
CREATE INDEX pymodfs_change_path ON pymodfs_change (dir, base);

-- Subroutine: writes a line of the feed. dir may be NULL while the directory is there.
CREATE VIEW pymodfs_note (op, kind, node, parent, dir, base, version, old_version) AS
SELECT op, kind, node, parent, dir, base, version, old_version FROM pymodfs_change;

CREATE TRIGGER pymodfs_note INSTEAD OF INSERT ON pymodfs_note
BEGIN
	INSERT INTO pymodfs_change (op, kind, node, parent, dir, base, version, old_version,
		time, uid, pid, command)
	SELECT NEW.op, NEW.kind, NEW.node, NEW.parent,
		coalesce(NEW.dir, (SELECT path FROM pymodfs_node WHERE id = NEW.parent)),
		NEW.base, NEW.version, NEW.old_version, t.ns, o.uid, o.pid, o.command
	FROM pymodfs_now t LEFT JOIN pymodfs_origin o;
END;

-- Subroutine: an entry of this directory appeared or went. Its mtime grows each time by a
-- millisecond or more: the import system compares it, as a floating-point number, to see whether
-- its list of names is out of date.
CREATE VIEW pymodfs_touch (id) AS SELECT id FROM pymodfs_node;

CREATE TRIGGER pymodfs_touch INSTEAD OF INSERT ON pymodfs_touch
BEGIN
	UPDATE pymodfs_node SET
		mtime = max((SELECT ns FROM pymodfs_now), mtime + 1000000),
		ctime = max((SELECT ns FROM pymodfs_now), ctime + 1000000)
	WHERE id = NEW.id;
END;

-- Subroutine: an entry of this directory went. The directories that were there for it alone go too.
CREATE VIEW pymodfs_vacate (id) AS SELECT id FROM pymodfs_node;

CREATE TRIGGER pymodfs_vacate INSTEAD OF INSERT ON pymodfs_vacate
BEGIN
	INSERT INTO pymodfs_touch VALUES (NEW.id);
	DELETE FROM pymodfs_node WHERE auto AND path IN (
		SELECT (SELECT group_concat(f.value, '/') FROM json_each(s.steps) f WHERE f.key <= e.key)
		FROM (
			SELECT '["' || replace(replace(replace(d.path,
				'\', '\\'), '"', '\"'), '/', '","') || '"]' AS steps
			FROM pymodfs_node d WHERE d.id = NEW.id AND d.auto
				AND NOT EXISTS (SELECT 1 FROM pymodfs_node c WHERE c.parent = d.id)
		) s, json_each(s.steps) e
	) AND NOT EXISTS (
		SELECT 1 FROM pymodfs_node c WHERE c.parent = pymodfs_node.id AND c.kind <> 'd'
	) AND NOT EXISTS (
		SELECT 1 FROM pymodfs_node c
		WHERE c.path > pymodfs_node.path || '/' AND c.path < pymodfs_node.path || '0' AND NOT c.auto
	) AND NOT EXISTS (
		SELECT 1 FROM pymodfs_node c
		WHERE c.name > replace(pymodfs_node.path, '/', '.') || '.'
			AND c.name < replace(pymodfs_node.path, '/', '.') || '/' AND c.parent IS NOT NULL
	);
END;

-- Subroutine: the node has a new content. The whole second of a file's mtime grows strictly, also
-- over a deletion, because CPython judges its bytecode by whole seconds and size alone.
CREATE VIEW pymodfs_renew (node, size) AS SELECT node, size FROM pymodfs_version;

CREATE TRIGGER pymodfs_renew INSTEAD OF INSERT ON pymodfs_renew
BEGIN
	INSERT INTO pymodfs_version (node, path, size, mtime, time, uid, pid, command)
	SELECT n.id, CASE WHEN d.path = '' THEN n.base ELSE d.path || '/' || n.base END, NEW.size,
		max(t.ns, (coalesce(CASE WHEN n.version THEN n.mtime ELSE (
			SELECT v.mtime FROM pymodfs_change c JOIN pymodfs_version v ON v.id = c.old_version
			WHERE c.dir = d.path AND c.base = n.base AND c.op = 'd' ORDER BY c.id DESC LIMIT 1
		) END, -1000000000) / 1000000000 + 1) * 1000000000),
		t.ns, o.uid, o.pid, o.command
	FROM pymodfs_now t JOIN pymodfs_node n LEFT JOIN pymodfs_node d ON d.id = n.parent
		LEFT JOIN pymodfs_origin o
	WHERE n.id = NEW.node;
	UPDATE pymodfs_node SET (version, size, mtime, ctime) = (
		SELECT v.id, v.size, v.mtime, v.time FROM pymodfs_version v
		WHERE v.node = NEW.node ORDER BY v.id DESC LIMIT 1
	) WHERE id = NEW.node;
END;

-- Subroutine: the row of this name has this source now. The content of the version before it, where
-- there is one, is kept already; an equal one makes no new version.
CREATE VIEW pymodfs_put (name, source) AS SELECT name, NULL FROM pymodfs_node;

CREATE TRIGGER pymodfs_put INSTEAD OF INSERT ON pymodfs_put
BEGIN
	INSERT INTO pymodfs_node (kind, name, atime, mtime, ctime)
	SELECT 'm', NEW.name, ns, ns, ns FROM pymodfs_now
	WHERE NOT EXISTS (SELECT 1 FROM pymodfs_node WHERE name = NEW.name);
	INSERT INTO pymodfs_renew
	SELECT n.id, coalesce(length(CAST(NEW.source AS BLOB)), 0) FROM pymodfs_node n
	WHERE n.name = NEW.name AND NOT EXISTS (
		SELECT 1 FROM pymodfs_version v WHERE v.id = n.version AND v.content IS NOT NULL
			AND CAST(v.content AS BLOB) = coalesce(CAST(NEW.source AS BLOB), x'')
	);
	UPDATE pymodfs_version SET content = NULL
	WHERE id = (SELECT version FROM pymodfs_node WHERE name = NEW.name) AND content IS NOT NULL;
END;

-- Subroutine: keeps the source of the row of this name, which is about to be replaced.
CREATE VIEW pymodfs_keep (name, source) AS SELECT name, NULL FROM pymodfs_node;

CREATE TRIGGER pymodfs_keep INSTEAD OF INSERT ON pymodfs_keep
BEGIN
	UPDATE pymodfs_version SET content = coalesce(NEW.source, '')
	WHERE id = (SELECT version FROM pymodfs_node WHERE name = NEW.name);
END;

-- A node is born without a place; these give it one. A module's place follows from its name: the
-- directories on the way are made, and a file that is in the way hides the module.
CREATE TRIGGER pymodfs_node_insert_module AFTER INSERT ON pymodfs_node WHEN NEW.kind = 'm'
BEGIN
	UPDATE pymodfs_node SET name = NEW.name WHERE id = NEW.id;
END;

CREATE TRIGGER pymodfs_node_insert_directory AFTER INSERT ON pymodfs_node WHEN NEW.kind = 'd'
BEGIN
	UPDATE pymodfs_node SET parent = (
		SELECT d.id FROM pymodfs_node d
		WHERE d.path = substr(NEW.path, 1, max(length(NEW.path) - length(NEW.base) - 1, 0))
	) WHERE id = NEW.id;
END;

CREATE TRIGGER pymodfs_node_name AFTER UPDATE OF name ON pymodfs_node WHEN NEW.kind = 'm'
BEGIN
	INSERT INTO pymodfs_node (kind, base, path, auto, atime, mtime, ctime)
	SELECT 'd', a.base, a.path, 1, ns, ns, ns
	FROM (
		SELECT e.key AS depth, e.value AS base,
			(SELECT group_concat(f.value, '/') FROM json_each(p.steps) f WHERE f.key <= e.key) AS path
		FROM pymodfs_place p, json_each(p.steps) e
		WHERE p.id = NEW.id
			AND NOT EXISTS (SELECT 1 FROM pymodfs_node d WHERE d.path = p.dir)
			AND NOT EXISTS (
				SELECT 1 FROM json_each(p.steps) g
				JOIN pymodfs_node d ON d.path = coalesce((
					SELECT group_concat(h.value, '/') FROM json_each(p.steps) h WHERE h.key < g.key
				), '')
				JOIN pymodfs_node b ON b.parent = d.id AND b.base = g.value AND b.kind <> 'd'
			)
	) a, pymodfs_now
	WHERE NOT EXISTS (SELECT 1 FROM pymodfs_node d WHERE d.path = a.path)
	ORDER BY a.depth;
	UPDATE pymodfs_node SET (parent, base) = (
		SELECT d.id, p.base FROM pymodfs_place p JOIN pymodfs_node d ON d.path = p.dir
		WHERE p.id = NEW.id AND NOT EXISTS (
			SELECT 1 FROM pymodfs_node o
			WHERE o.parent = d.id AND o.base = p.base AND o.id <> NEW.id
		)
	) WHERE id = NEW.id;
END;

-- The feed. A file appears in it with its first version.
CREATE TRIGGER pymodfs_node_move AFTER UPDATE OF parent, base ON pymodfs_node
WHEN OLD.parent IS NOT NEW.parent OR OLD.base IS NOT NEW.base
BEGIN
	INSERT INTO pymodfs_note
	SELECT 'd', NEW.kind, NEW.id, OLD.parent, NULL, OLD.base, 0, OLD.version
	WHERE OLD.parent IS NOT NULL;
	INSERT INTO pymodfs_note
	SELECT 'i', NEW.kind, NEW.id, NEW.parent, NULL, NEW.base, NEW.version, 0
	WHERE NEW.parent IS NOT NULL AND (NEW.version OR NEW.kind = 'd');
	INSERT INTO pymodfs_touch SELECT NEW.parent WHERE NEW.parent IS NOT NULL;
	INSERT INTO pymodfs_vacate SELECT OLD.parent
	WHERE OLD.parent IS NOT NULL AND OLD.parent IS NOT NEW.parent;
END;

CREATE TRIGGER pymodfs_node_version AFTER UPDATE OF version ON pymodfs_node
WHEN NEW.version <> OLD.version AND NEW.parent IS NOT NULL
BEGIN
	INSERT INTO pymodfs_note VALUES (CASE WHEN OLD.version THEN 'u' ELSE 'i' END, NEW.kind, NEW.id,
		NEW.parent, NULL, NEW.base, NEW.version, OLD.version);
END;

CREATE TRIGGER pymodfs_node_delete_file AFTER DELETE ON pymodfs_node
WHEN OLD.kind <> 'd' AND OLD.parent IS NOT NULL
BEGIN
	INSERT INTO pymodfs_note VALUES ('d', OLD.kind, OLD.id, OLD.parent, NULL, OLD.base, 0,
		OLD.version);
	INSERT INTO pymodfs_vacate VALUES (OLD.parent);
END;

CREATE TRIGGER pymodfs_node_delete_directory AFTER DELETE ON pymodfs_node
WHEN OLD.kind = 'd' AND OLD.parent IS NOT NULL
BEGIN
	INSERT INTO pymodfs_note VALUES ('d', 'd', OLD.id, OLD.parent,
		substr(OLD.path, 1, max(length(OLD.path) - length(OLD.base) - 1, 0)), OLD.base, 0, 0);
	INSERT INTO pymodfs_touch VALUES (OLD.parent);
END;

-- The user's table. REPLACE deletes rows without firing delete triggers: what it is about to delete
-- is kept by the BEFORE triggers, and a name that already has a node is an update.
CREATE TRIGGER pymodfs_row_replace BEFORE INSERT ON "module"
WHEN EXISTS (SELECT 1 FROM pymodfs_node WHERE name = NEW."name")
BEGIN
	INSERT INTO pymodfs_keep
	SELECT "name", "source" FROM "module" WHERE "name" = NEW."name" COLLATE BINARY;
END;

CREATE TRIGGER pymodfs_row_insert AFTER INSERT ON "module" WHEN NEW."name" IS NOT NULL
BEGIN
	INSERT INTO pymodfs_put VALUES (NEW."name", NEW."source");
END;

CREATE TRIGGER pymodfs_row_overwrite BEFORE UPDATE OF "name" ON "module"
WHEN NEW."name" IS NOT OLD."name" COLLATE BINARY
	AND EXISTS (SELECT 1 FROM pymodfs_node WHERE name = NEW."name")
BEGIN
	INSERT INTO pymodfs_keep
	SELECT "name", "source" FROM "module" WHERE "name" = NEW."name" COLLATE BINARY;
END;

CREATE TRIGGER pymodfs_row_update AFTER UPDATE OF "name", "source" ON "module"
BEGIN
	INSERT INTO pymodfs_keep SELECT OLD."name", OLD."source"
	WHERE NEW."name" IS NULL
		OR CAST(OLD."source" AS BLOB) IS NOT CAST(NEW."source" AS BLOB);
	DELETE FROM pymodfs_node
	WHERE name = CASE WHEN NEW."name" IS NULL THEN OLD."name" ELSE NEW."name" END
		AND NEW."name" IS NOT OLD."name" COLLATE BINARY;
	UPDATE pymodfs_node SET name = NEW."name"
	WHERE name = OLD."name" AND NEW."name" IS NOT OLD."name" COLLATE BINARY;
	INSERT INTO pymodfs_put SELECT NEW."name", NEW."source"
	WHERE NEW."name" IS NOT NULL AND (OLD."name" IS NULL
		OR CAST(OLD."source" AS BLOB) IS NOT CAST(NEW."source" AS BLOB));
END;

CREATE TRIGGER pymodfs_row_delete AFTER DELETE ON "module" WHEN OLD."name" IS NOT NULL
BEGIN
	INSERT INTO pymodfs_keep VALUES (OLD."name", OLD."source");
	DELETE FROM pymodfs_node WHERE name = OLD."name";
END;

-- Where the user's table has other keys than the name, init adds triggers that fill pymodfs_suspect; then
-- whoever is gone is gone, and the others' content is stored once again.
CREATE TRIGGER pymodfs_row_insert_suspect AFTER INSERT ON "module"
WHEN EXISTS (SELECT 1 FROM pymodfs_suspect)
BEGIN
	DELETE FROM pymodfs_node WHERE name IN (
		SELECT s.name FROM pymodfs_suspect s
		WHERE NOT EXISTS (SELECT 1 FROM "module" WHERE "name" = s.name COLLATE BINARY)
	);
	UPDATE pymodfs_version SET content = NULL WHERE id IN (
		SELECT n.version FROM pymodfs_suspect s JOIN pymodfs_node n ON n.name = s.name
		WHERE s.name IS NOT NEW."name" COLLATE BINARY
	);
	DELETE FROM pymodfs_suspect;
END;

CREATE TRIGGER pymodfs_row_update_suspect AFTER UPDATE ON "module"
WHEN EXISTS (SELECT 1 FROM pymodfs_suspect)
BEGIN
	DELETE FROM pymodfs_node WHERE name IN (
		SELECT s.name FROM pymodfs_suspect s
		WHERE NOT EXISTS (SELECT 1 FROM "module" WHERE "name" = s.name COLLATE BINARY)
	);
	UPDATE pymodfs_version SET content = NULL WHERE id IN (
		SELECT n.version FROM pymodfs_suspect s JOIN pymodfs_node n ON n.name = s.name
		WHERE s.name IS NOT NEW."name" COLLATE BINARY AND s.name IS NOT OLD."name" COLLATE BINARY
	);
	DELETE FROM pymodfs_suspect;
END;

INSERT INTO pymodfs_setting (key, value) VALUES
	('schema', 1),
	('uuid', lower(hex(randomblob(16)))),
	('table', 'module'),
	('name_column', 'name'),
	('source_column', 'source'),
	('resource_history', 0);

RELEASE pymodfs_init;
