BEGIN TRANSACTION;
CREATE TABLE "call" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "slot" INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 300), "direction" TEXT NOT NULL CHECK (direction IN ('in', 'out')), "caller_id" TEXT NOT NULL, "dialled" TEXT NOT NULL, "called" TEXT NOT NULL, "trunk_id" INTEGER NOT NULL, "gate_leg" TEXT NOT NULL, "other_leg" TEXT, "transferred" INTEGER NOT NULL, "started_at" INTEGER NOT NULL, "answered_at" INTEGER, "seen_at" INTEGER NOT NULL, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"));
INSERT INTO "call" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','lab',1,1,'out','100','+442079460001','+442079460001',1,'lab-1.2','lab-1.3',0,1795000000000,1795000070000,1795000070000);
CREATE TABLE "cdr" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER, "direction" TEXT NOT NULL CHECK (direction IN ('in', 'out')), "caller_id" TEXT NOT NULL, "dialled" TEXT NOT NULL, "called" TEXT, "trunk_id" INTEGER, "gate_leg" TEXT NOT NULL, "other_leg" TEXT, "started_at" INTEGER NOT NULL, "answered_at" INTEGER, "ended_at" INTEGER NOT NULL, "duration_ms" INTEGER NOT NULL CHECK (duration_ms >= 0), "cause" INTEGER NOT NULL, "ending" TEXT NOT NULL CHECK (ending IN ('ok','refused','busy','no_answer','cut_off','failed','estimated')), "refusal" TEXT, "price_micros" INTEGER, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"));
INSERT INTO "cdr" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','lab',1,'out','100','+442079460001','+442079460001',1,'lab-1.0','lab-1.1',1795000000000,1795000002000,1795000063510,61510,16,'ok',NULL,NULL);
CREATE TABLE "company" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "currency" TEXT NOT NULL, "time_zone" TEXT NOT NULL, "created_at" INTEGER NOT NULL);
INSERT INTO "company" VALUES(1,'Acme','GBP','Europe/London',1795000000000);
CREATE TABLE "number" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "e164" TEXT NOT NULL, "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
INSERT INTO "number" VALUES(1,1,1,'+442079460100',1795000000000);
CREATE TABLE "profile" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "role" TEXT NOT NULL CHECK (role IN ('client', 'server')), "auth" TEXT NOT NULL CHECK (auth IN ('registration', 'ip')), "username" TEXT NOT NULL, "realm" TEXT NOT NULL, "digest" TEXT NOT NULL, "channels" INTEGER NOT NULL CHECK (channels BETWEEN 0 AND 300), "status" TEXT NOT NULL CHECK (status IN ('inactive', 'active', 'suspended', 'cancelling', 'archived')), "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "profile" VALUES(1,1,'office','server','registration','pakq5cacwtf','asterisk','00000000000000000000000000000000',3,'active',1795000000000);
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_first_tables','2026-11-23 03:10:00.219363');
CREATE TABLE "trunk" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "host" TEXT NOT NULL, "port" INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535), "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "trunk" VALUES(1,1,'carrier','127.0.0.1',5070,1795000000000);
CREATE UNIQUE INDEX "schema_migration_name" ON "schema_migration" ("name");
CREATE UNIQUE INDEX "company_name" ON "company" ("name");
CREATE INDEX "profile_company_id" ON "profile" ("company_id");
CREATE UNIQUE INDEX "profile_username" ON "profile" ("username");
CREATE UNIQUE INDEX "profile_company_id_name" ON "profile" ("company_id", "name");
CREATE INDEX "trunk_company_id" ON "trunk" ("company_id");
CREATE UNIQUE INDEX "trunk_name" ON "trunk" ("name");
CREATE INDEX "call_profile_id" ON "call" ("profile_id");
CREATE INDEX "call_trunk_id" ON "call" ("trunk_id");
CREATE UNIQUE INDEX "call_profile_id_slot" ON "call" ("profile_id", "slot");
CREATE INDEX "cdr_profile_id" ON "cdr" ("profile_id");
CREATE INDEX "cdr_trunk_id" ON "cdr" ("trunk_id");
CREATE INDEX "cdr_ended_at" ON "cdr" ("ended_at");
CREATE INDEX "number_company_id" ON "number" ("company_id");
CREATE INDEX "number_profile_id" ON "number" ("profile_id");
CREATE UNIQUE INDEX "number_e164" ON "number" ("e164");
CREATE TRIGGER call_not_oversold BEFORE INSERT ON call
WHEN NEW.slot > (SELECT channels FROM profile WHERE id = NEW.profile_id)
BEGIN
    SELECT RAISE(ABORT, 'more channels than the profile has');
END;
COMMIT;
