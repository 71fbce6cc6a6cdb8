BEGIN TRANSACTION;
CREATE TABLE "account" ("name" TEXT NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "purpose" TEXT NOT NULL, "asset" TEXT NOT NULL CHECK (asset IN ('money', 'seconds')), "balance" INTEGER NOT NULL CHECK (balance >= 0 OR purpose IN ('outside', 'seconds_sold')) CHECK (balance BETWEEN -4000000000000000000 AND 4000000000000000000), FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "account" VALUES('company:1:balance',1,'balance','money',969150000);
INSERT INTO "account" VALUES('company:1:outside',1,'outside','money',-1000000000);
INSERT INTO "account" VALUES('company:1:subscription',1,'subscription','money',20850000);
INSERT INTO "account" VALUES('profile:1:credit',1,'credit','money',9954000);
INSERT INTO "account" VALUES('profile:1:credit_held',1,'credit_held','money',23000);
INSERT INTO "account" VALUES('company:1:usage',1,'usage','money',23000);
CREATE TABLE "call" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "slot" INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 300), "direction" TEXT NOT NULL CHECK (direction IN ('in', 'out')), "caller_id" TEXT NOT NULL, "dialled" TEXT NOT NULL, "called" TEXT NOT NULL, "trunk_id" INTEGER NOT NULL, "gate_leg" TEXT NOT NULL, "other_leg" TEXT, "transferred" INTEGER NOT NULL, "started_at" INTEGER NOT NULL, "answered_at" INTEGER, "seen_at" INTEGER NOT NULL, "epoch" INTEGER NOT NULL DEFAULT 0, "guard_s" INTEGER NOT NULL DEFAULT 86400, "dead_at" INTEGER, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"));
INSERT INTO "call" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','lab',1,1,'out','100','+442079460001','+442079460001',1,'lab-1.2','lab-1.3',0,1795000000000,1795000070000,1795000070000,0,60,NULL);
CREATE TABLE "cdr" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER, "direction" TEXT NOT NULL CHECK (direction IN ('in', 'out')), "caller_id" TEXT NOT NULL, "dialled" TEXT NOT NULL, "called" TEXT, "trunk_id" INTEGER, "gate_leg" TEXT NOT NULL, "other_leg" TEXT, "started_at" INTEGER NOT NULL, "answered_at" INTEGER, "ended_at" INTEGER NOT NULL, "duration_ms" INTEGER NOT NULL CHECK (duration_ms >= 0), "cause" INTEGER NOT NULL, "ending" TEXT NOT NULL CHECK (ending IN ('ok','refused','busy','no_answer','cut_off','failed','estimated')), "refusal" TEXT, "price_micros" INTEGER, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"));
INSERT INTO "cdr" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','lab',1,'out','100','+442079460001','+442079460001',1,'lab-1.0','lab-1.1',1795000000000,1795000002000,1795000063510,61510,16,'cut_off',NULL,23000);
CREATE TABLE "charge" ("cdr_id" TEXT NOT NULL PRIMARY KEY, "payer" TEXT NOT NULL, "term_id" INTEGER, "deck_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "rate_name" TEXT NOT NULL, "price_per_minute_micros" INTEGER NOT NULL, "connection_fee_micros" INTEGER NOT NULL, "increments" TEXT NOT NULL, "held_bundle_s" INTEGER NOT NULL, "held_paid_s" INTEGER NOT NULL, "held_micros" INTEGER NOT NULL, "billed_s" INTEGER NOT NULL, "bundle_s" INTEGER NOT NULL, "paid_s" INTEGER NOT NULL, "price_micros" INTEGER NOT NULL, FOREIGN KEY ("cdr_id") REFERENCES "cdr" ("id"), FOREIGN KEY ("term_id") REFERENCES "term" ("id"), FOREIGN KEY ("deck_id") REFERENCES "deck" ("id"));
INSERT INTO "charge" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','profile',NULL,1,'+44','United Kingdom',23000,0,'30/6',0,60,23000,60,0,60,23000);
CREATE TABLE "closing" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "month" TEXT NOT NULL, "until_at" INTEGER NOT NULL, "last_number" INTEGER NOT NULL, "last_hash" TEXT NOT NULL, "balances" TEXT NOT NULL, "closed_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "company" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "currency" TEXT NOT NULL, "time_zone" TEXT NOT NULL, "created_at" INTEGER NOT NULL);
INSERT INTO "company" VALUES(1,'Acme','GBP','Europe/London',1795000000000);
CREATE TABLE "deck" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "version" TEXT NOT NULL, "rates" INTEGER NOT NULL, "content" BLOB NOT NULL, "loaded_at" INTEGER NOT NULL, "in_use_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "deck" VALUES(1,1,'rates','07f5a52ba478e226ca79baf86aa74ce8ee86331543a93b8c7ce5ef012a484aad',1,X'78010DC8310EC2300C05D0BDA7E0001F3069D54B30334751EC5416C489DC14717C2ABDE97597A23F58AA82EE9A2576F158D58E21C8CD4CF2D066B188402DBB54B1B1E39B3ECAB178AB78ABF1B42C78990EE1CB536DE3B3E946610661A6FB8A4061BDD2E3847D24E3E43CFD01E840299A',1794999940000,1794999940000);
CREATE TABLE "entry" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "number" INTEGER NOT NULL, "key" TEXT NOT NULL, "kind" TEXT NOT NULL, "at" INTEGER NOT NULL, "about" TEXT NOT NULL, "hash" TEXT NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "entry" VALUES(1,1,1,'top-up:first','top-up',1795000000000,'money from outside','e9a9c6c03a2f9686d337650d48627e839b551993c9ac1281b562a4abc449dde9');
INSERT INTO "entry" VALUES(2,1,2,'term:1:begin','subscription',1795000000000,'3 channels and 0 bundles for office to 2026-12-18T11:06:40.000Z','dda844ce95a1cc6268235ec03f57b0788615d81e8052c43ce49277c3df650c9f');
INSERT INTO "entry" VALUES(3,1,3,'add:office','add',1795000000000,'credit for office','03fc32da70fff8c33bf37439e57a160160ad51f22e88080a5abf965df844dcd8');
INSERT INTO "entry" VALUES(4,1,4,'call:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:hold:60','hold',1795000000005,'60 s held for +44 United Kingdom','d24b47bbea6063cc0a828a4b7d4320cd5736b7b55ed95a9ea465f6df2ff2c42e');
INSERT INTO "entry" VALUES(5,1,5,'call:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:settle','settle',1795000063510,'60 s billed to +44 United Kingdom','212edc1cbec39151d67bfb4f370c9f9afc83ceac154be6aa2f3f31f3d0ae5e15');
INSERT INTO "entry" VALUES(6,1,6,'call:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:hold:60','hold',1795000063510,'60 s held for +44 United Kingdom','b9fd94311cc8f80fecd0d04fef42e2e0020d51aabecfaecf374c0f50506f41bd');
CREATE TABLE "hold" ("call_id" TEXT NOT NULL PRIMARY KEY, "payer" TEXT NOT NULL CHECK (payer IN ('profile', 'company', 'bundle')), "term_id" INTEGER, "deck_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "rate_name" TEXT NOT NULL, "price_per_minute_micros" INTEGER NOT NULL, "connection_fee_micros" INTEGER NOT NULL, "increments" TEXT NOT NULL, "bundle_s" INTEGER NOT NULL CHECK (bundle_s >= 0), "paid_s" INTEGER NOT NULL CHECK (paid_s >= 0), "micros" INTEGER NOT NULL CHECK (micros >= 0), FOREIGN KEY ("call_id") REFERENCES "call" ("id"), FOREIGN KEY ("term_id") REFERENCES "term" ("id"), FOREIGN KEY ("deck_id") REFERENCES "deck" ("id"));
INSERT INTO "hold" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','profile',NULL,1,'+44','United Kingdom',23000,0,'30/6',0,60,23000);
CREATE TABLE "limits" ("profile_id" INTEGER NOT NULL PRIMARY KEY, "price_per_minute_micros" INTEGER, "call_micros" INTEGER, "day_micros" INTEGER, "month_micros" INTEGER, "calls_per_second" INTEGER, "attempts_per_number" INTEGER, "uses_company_balance" INTEGER NOT NULL, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "node" ("name" TEXT NOT NULL PRIMARY KEY, "joined_at" INTEGER NOT NULL, "seen_at" INTEGER NOT NULL, "epoch" INTEGER NOT NULL);
CREATE TABLE "notice" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "kind" TEXT NOT NULL, "key" TEXT NOT NULL, "text" TEXT NOT NULL, "at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "number" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "e164" TEXT NOT NULL, "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
INSERT INTO "number" VALUES(1,1,1,'+442079460100',1795000000000);
CREATE TABLE "posting" ("id" INTEGER NOT NULL PRIMARY KEY, "entry_id" INTEGER NOT NULL, "account_id" TEXT NOT NULL, "amount" INTEGER NOT NULL CHECK (amount <> 0), FOREIGN KEY ("entry_id") REFERENCES "entry" ("id"), FOREIGN KEY ("account_id") REFERENCES "account" ("name"));
INSERT INTO "posting" VALUES(1,1,'company:1:balance',1000000000);
INSERT INTO "posting" VALUES(2,1,'company:1:outside',-1000000000);
INSERT INTO "posting" VALUES(3,2,'company:1:balance',-20850000);
INSERT INTO "posting" VALUES(4,2,'company:1:subscription',20850000);
INSERT INTO "posting" VALUES(5,3,'company:1:balance',-10000000);
INSERT INTO "posting" VALUES(6,3,'profile:1:credit',10000000);
INSERT INTO "posting" VALUES(7,4,'profile:1:credit',-23000);
INSERT INTO "posting" VALUES(8,4,'profile:1:credit_held',23000);
INSERT INTO "posting" VALUES(9,5,'company:1:usage',23000);
INSERT INTO "posting" VALUES(10,5,'profile:1:credit_held',-23000);
INSERT INTO "posting" VALUES(11,6,'profile:1:credit',-23000);
INSERT INTO "posting" VALUES(12,6,'profile:1:credit_held',23000);
CREATE TABLE "prefix_rule" ("id" INTEGER NOT NULL PRIMARY KEY, "profile_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "allowed" INTEGER NOT NULL, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "price_list" ("company_id" INTEGER NOT NULL PRIMARY KEY, "channel_micros" INTEGER NOT NULL CHECK (channel_micros >= 0), "bundle_micros" INTEGER NOT NULL CHECK (bundle_micros >= 0), FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "profile" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "role" TEXT NOT NULL CHECK (role IN ('client', 'server')), "auth" TEXT NOT NULL CHECK (auth IN ('registration', 'ip')), "username" TEXT NOT NULL, "realm" TEXT NOT NULL, "digest" TEXT NOT NULL, "channels" INTEGER NOT NULL CHECK (channels BETWEEN 0 AND 300), "status" TEXT NOT NULL CHECK (status IN ('inactive', 'active', 'suspended', 'cancelling', 'archived')), "created_at" INTEGER NOT NULL, "address" TEXT, "port" INTEGER CHECK (port BETWEEN 1 AND 65535), "old_digest" TEXT, "old_until" INTEGER, "options" TEXT NOT NULL DEFAULT '{}', "state" TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'suspended')), "sip_version" INTEGER NOT NULL DEFAULT 1, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "profile" VALUES(1,1,'office','server','registration','p4wa9zyvase','asterisk','00000000000000000000000000000000',3,'active',1795000000000,NULL,NULL,NULL,NULL,'{}','open',1);
CREATE TABLE "reachability" ("id" INTEGER NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "endpoint" TEXT NOT NULL, "state" TEXT NOT NULL, "sip_status" INTEGER, "words" TEXT NOT NULL, "at" INTEGER NOT NULL);
CREATE TABLE "recharge" ("profile_id" INTEGER NOT NULL PRIMARY KEY, "amount_micros" INTEGER NOT NULL CHECK (amount_micros > 0), "threshold_micros" INTEGER NOT NULL CHECK (threshold_micros > 0), "monthly_limit_micros" INTEGER, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "restored" ("id" INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), "books_end_at" INTEGER NOT NULL, "restored_at" INTEGER NOT NULL);
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_first_tables','2026-11-23 11:31:51.166595');
INSERT INTO "schema_migration" VALUES(2,'0002_money','2026-11-23 11:31:51.178372');
INSERT INTO "schema_migration" VALUES(3,'0003_epoch','2026-11-23 11:31:51.180713');
INSERT INTO "schema_migration" VALUES(4,'0004_restored','2026-11-23 11:31:51.182028');
INSERT INTO "schema_migration" VALUES(5,'0005_nodes','2026-11-23 11:31:51.184631');
INSERT INTO "schema_migration" VALUES(6,'0006_trunks','2026-11-23 11:31:51.197016');
CREATE TABLE "term" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "number_id" INTEGER, "channels" INTEGER NOT NULL CHECK (channels BETWEEN 0 AND 300), "bundles" INTEGER NOT NULL CHECK (bundles BETWEEN 0 AND channels), "price_micros" INTEGER NOT NULL CHECK (price_micros >= 0), "bundles_price_micros" INTEGER NOT NULL CHECK (bundles_price_micros >= 0), "periods" INTEGER NOT NULL CHECK (periods BETWEEN 1 AND 12), "starts_at" INTEGER NOT NULL, "ends_at" INTEGER NOT NULL, "renews" INTEGER NOT NULL, "closed_at" INTEGER, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("number_id") REFERENCES "number" ("id"));
INSERT INTO "term" VALUES(1,1,1,NULL,3,0,20850000,0,1,1795000000000,1797592000000,1,NULL);
CREATE TABLE "trunk" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "host" TEXT NOT NULL, "port" INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535), "created_at" INTEGER NOT NULL, "profile_id" INTEGER REFERENCES "profile" ("id"), "auth" TEXT NOT NULL DEFAULT 'ip' CHECK (auth IN ('registration', 'ip')), "username" TEXT NOT NULL DEFAULT '', "realm" TEXT NOT NULL DEFAULT '', "secret" TEXT, "options" TEXT NOT NULL DEFAULT '{}', "state" TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'suspended', 'archived')), "sip_version" INTEGER NOT NULL DEFAULT 1, "place" INTEGER NOT NULL DEFAULT 1 CHECK (place BETWEEN 1 AND 100), "share" INTEGER NOT NULL DEFAULT 1 CHECK (share BETWEEN 1 AND 1000), "failover" TEXT NOT NULL DEFAULT '408 500 502 503 504', FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "trunk" VALUES(1,1,'carrier','127.0.0.1',5070,1795000000000,NULL,'ip','','',NULL,'{}','open',1,1,1,'408 500 502 503 504');
CREATE UNIQUE INDEX "schema_migration_name" ON "schema_migration" ("name");
CREATE UNIQUE INDEX "company_name" ON "company" ("name");
CREATE INDEX "profile_company_id" ON "profile" ("company_id");
CREATE UNIQUE INDEX "profile_username" ON "profile" ("username");
CREATE UNIQUE INDEX "profile_company_id_name" ON "profile" ("company_id", "name");
CREATE INDEX "trunk_company_id" ON "trunk" ("company_id");
CREATE UNIQUE INDEX "trunk_name" ON "trunk" ("name");
CREATE INDEX "call_profile_id" ON "call" ("profile_id");
CREATE INDEX "call_trunk_id" ON "call" ("trunk_id");
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
CREATE INDEX "account_company_id" ON "account" ("company_id");
CREATE INDEX "term_company_id" ON "term" ("company_id");
CREATE INDEX "term_profile_id" ON "term" ("profile_id");
CREATE INDEX "term_number_id" ON "term" ("number_id");
CREATE INDEX "term_ends_at" ON "term" ("ends_at");
CREATE UNIQUE INDEX term_one_profile ON term (profile_id) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX term_one_number ON term (number_id) WHERE closed_at IS NULL;
CREATE INDEX "deck_company_id" ON "deck" ("company_id");
CREATE INDEX "deck_company_id_in_use_at" ON "deck" ("company_id", "in_use_at");
CREATE INDEX "charge_term_id" ON "charge" ("term_id");
CREATE INDEX "charge_deck_id" ON "charge" ("deck_id");
CREATE INDEX "closing_company_id" ON "closing" ("company_id");
CREATE UNIQUE INDEX "closing_company_id_month" ON "closing" ("company_id", "month");
CREATE INDEX "entry_company_id" ON "entry" ("company_id");
CREATE UNIQUE INDEX "entry_key" ON "entry" ("key");
CREATE UNIQUE INDEX "entry_company_id_number" ON "entry" ("company_id", "number");
CREATE INDEX entry_recharges ON entry (company_id, at) WHERE kind = 'recharge';
CREATE INDEX "hold_term_id" ON "hold" ("term_id");
CREATE INDEX "hold_deck_id" ON "hold" ("deck_id");
CREATE INDEX "notice_company_id" ON "notice" ("company_id");
CREATE INDEX "notice_profile_id" ON "notice" ("profile_id");
CREATE UNIQUE INDEX "notice_key" ON "notice" ("key");
CREATE INDEX "posting_entry_id" ON "posting" ("entry_id");
CREATE INDEX "posting_account_id" ON "posting" ("account_id");
CREATE UNIQUE INDEX "posting_entry_id_account_id" ON "posting" ("entry_id", "account_id");
CREATE INDEX "prefix_rule_profile_id" ON "prefix_rule" ("profile_id");
CREATE UNIQUE INDEX "prefix_rule_profile_id_prefix" ON "prefix_rule" ("profile_id", "prefix");
CREATE TRIGGER posting_moves_balance AFTER INSERT ON posting
BEGIN
    UPDATE account SET balance = balance + NEW.amount WHERE name = NEW.account_id;
END;
CREATE TRIGGER entry_no_update BEFORE update ON entry
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append only');
END;
CREATE TRIGGER entry_no_delete BEFORE delete ON entry
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append only');
END;
CREATE TRIGGER posting_no_update BEFORE update ON posting
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append only');
END;
CREATE TRIGGER posting_no_delete BEFORE delete ON posting
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append only');
END;
CREATE INDEX cdr_profile_ended ON cdr (profile_id, ended_at);
CREATE INDEX cdr_profile_started ON cdr (profile_id, started_at);
CREATE UNIQUE INDEX call_slot ON call (profile_id, slot) WHERE dead_at IS NULL;
CREATE UNIQUE INDEX "trunk_profile_id" ON "trunk" ("profile_id");
CREATE INDEX reachability_last ON reachability (endpoint, node, at);
COMMIT;
