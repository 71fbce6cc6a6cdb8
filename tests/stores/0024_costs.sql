BEGIN TRANSACTION;
CREATE TABLE "account" ("name" TEXT NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "purpose" TEXT NOT NULL, "asset" TEXT NOT NULL CHECK (asset IN ('money', 'seconds')), "balance" INTEGER NOT NULL CHECK (balance >= 0 OR purpose IN ('outside', 'seconds_sold', 'payable')) CHECK (balance BETWEEN -4000000000000000000 AND 4000000000000000000), FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "account" VALUES('company:1:balance',1,'balance','money',961650000);
INSERT INTO "account" VALUES('company:1:outside',1,'outside','money',-1000000000);
INSERT INTO "account" VALUES('company:1:subscription',1,'subscription','money',20850000);
INSERT INTO "account" VALUES('profile:1:credit',1,'credit','money',9954000);
INSERT INTO "account" VALUES('profile:1:credit_held',1,'credit_held','money',23000);
INSERT INTO "account" VALUES('company:1:usage',1,'usage','money',23000);
INSERT INTO "account" VALUES('company:1:number_fees',1,'number_fees','money',7500000);
CREATE TABLE "api_token" ("id" INTEGER NOT NULL PRIMARY KEY, "user_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "scopes" TEXT NOT NULL, "hashed" TEXT NOT NULL, "created_at" INTEGER NOT NULL, "expires_at" INTEGER, "used_at" INTEGER, "revoked_at" INTEGER, FOREIGN KEY ("user_id") REFERENCES "users" ("id"));
CREATE TABLE "audit" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "actor" TEXT NOT NULL, "user_id" INTEGER, "company_id" INTEGER, "action" TEXT NOT NULL, "subject" TEXT NOT NULL, "detail" TEXT NOT NULL, "address" TEXT NOT NULL, FOREIGN KEY ("user_id") REFERENCES "users" ("id"), FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "button" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "account_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "token" TEXT NOT NULL, "most" INTEGER NOT NULL CHECK (most BETWEEN 1 AND 300), "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("account_id") REFERENCES "inbound_account" ("id"));
CREATE TABLE "buyer" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "party" TEXT NOT NULL DEFAULT '', "tax_kind" TEXT NOT NULL DEFAULT 'standard', "tax_rate" INTEGER, "tax_reason" TEXT NOT NULL DEFAULT '', "language" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "call" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "slot" INTEGER NOT NULL CHECK (slot BETWEEN 1 AND 300), "direction" TEXT NOT NULL CHECK (direction IN ('in', 'out')), "caller_id" TEXT NOT NULL, "dialled" TEXT NOT NULL, "called" TEXT NOT NULL, "trunk_id" INTEGER, "gate_leg" TEXT NOT NULL, "other_leg" TEXT, "transferred" INTEGER NOT NULL, "started_at" INTEGER NOT NULL, "answered_at" INTEGER, "seen_at" INTEGER NOT NULL, "epoch" INTEGER NOT NULL DEFAULT 0, "guard_s" INTEGER NOT NULL DEFAULT 86400, "dead_at" INTEGER, "shown" TEXT, "forwarded" TEXT NOT NULL DEFAULT '', "button" TEXT NOT NULL DEFAULT '', "sip_id" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"));
INSERT INTO "call" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','lab',1,1,'out','100','+442079460001','+442079460001',1,'lab-1.2','lab-1.3',0,1795000000000,1795000070000,1795000070000,0,60,NULL,'+442079460100','','','');
CREATE TABLE "call_day" ("company_id" INTEGER NOT NULL, "day" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "calls_out" INTEGER NOT NULL, "calls_in" INTEGER NOT NULL, "refused" INTEGER NOT NULL, "blocked" INTEGER NOT NULL, "duration_ms" INTEGER NOT NULL, "billed_s" INTEGER NOT NULL, "bundle_s" INTEGER NOT NULL, "price_micros" INTEGER NOT NULL, PRIMARY KEY ("company_id", "day", "profile_id"));
INSERT INTO "call_day" VALUES(1,'2026-11-18',0,1,0,0,0,61510,60,0,23000);
INSERT INTO "call_day" VALUES(1,'2026-11-18',1,1,0,0,0,61510,60,0,23000);
CREATE TABLE "call_event" ("id" INTEGER NOT NULL PRIMARY KEY, "webhook_id" INTEGER NOT NULL, "call_id" TEXT NOT NULL, "event" TEXT NOT NULL CHECK (event IN ('started', 'answered', 'ended', 'refused')), "at" INTEGER NOT NULL);
CREATE TABLE "call_post" ("webhook_id" INTEGER NOT NULL PRIMARY KEY, "next_at" INTEGER NOT NULL, "tries" INTEGER NOT NULL DEFAULT 0, "why" TEXT NOT NULL DEFAULT '', "failing_since" INTEGER, "given_up" INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "card_charge" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "key" TEXT NOT NULL, "amount_micros" INTEGER NOT NULL CHECK (amount_micros > 0), "customer" TEXT NOT NULL, "method" TEXT NOT NULL, "state" TEXT NOT NULL CHECK (state IN ('asked', 'taken', 'received', 'refused', 'unknown')), "number" TEXT NOT NULL DEFAULT '', "why" TEXT NOT NULL DEFAULT '', "tries" INTEGER NOT NULL DEFAULT 0, "next_at" INTEGER NOT NULL, "made_at" INTEGER NOT NULL, "changed_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "card_recharge" ("company_id" INTEGER NOT NULL PRIMARY KEY, "word" TEXT NOT NULL, "amount_micros" INTEGER NOT NULL CHECK (amount_micros > 0), "threshold_micros" INTEGER NOT NULL CHECK (threshold_micros > 0), "monthly_limit_micros" INTEGER NOT NULL CHECK (monthly_limit_micros >= amount_micros), "customer" TEXT NOT NULL DEFAULT '', "method" TEXT NOT NULL DEFAULT '', "card" TEXT NOT NULL DEFAULT '', "card_at" INTEGER NOT NULL DEFAULT 0, "parked" TEXT NOT NULL DEFAULT '' CHECK (parked IN ('', 'confirm', 'refused', 'unknown', 'taken_back')), "why" TEXT NOT NULL DEFAULT '', "parked_at" INTEGER, "made_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "cdr" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER, "direction" TEXT NOT NULL CHECK (direction IN ('in', 'out')), "caller_id" TEXT NOT NULL, "dialled" TEXT NOT NULL, "called" TEXT, "trunk_id" INTEGER, "gate_leg" TEXT NOT NULL, "other_leg" TEXT, "started_at" INTEGER NOT NULL, "answered_at" INTEGER, "ended_at" INTEGER NOT NULL, "duration_ms" INTEGER NOT NULL CHECK (duration_ms >= 0), "cause" INTEGER NOT NULL, "ending" TEXT NOT NULL CHECK (ending IN ('ok','refused','busy','no_answer','cut_off','media_lost','failed','estimated')), "refusal" TEXT, "price_micros" INTEGER, "shown" TEXT, "forwarded" TEXT NOT NULL DEFAULT '', "company_id" INTEGER, "booked_at" INTEGER NOT NULL DEFAULT 0, "offered_micros" INTEGER, "button" TEXT NOT NULL DEFAULT '', "sip_status" INTEGER, "hung_up_by" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"));
INSERT INTO "cdr" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','lab',1,'out','100','+442079460001','+442079460001',1,'lab-1.0','lab-1.1',1795000000000,1795000002000,1795000063510,61510,16,'cut_off',NULL,23000,'+442079460100','',1,1795000063510,NULL,'',NULL,'');
CREATE TABLE "channel_hour" ("profile_id" INTEGER NOT NULL, "hour_at" INTEGER NOT NULL, "peak" INTEGER NOT NULL, "carried" INTEGER NOT NULL, "busy_ms" INTEGER NOT NULL, PRIMARY KEY ("profile_id", "hour_at"));
INSERT INTO "channel_hour" VALUES(1,1794999600000,1,0,63510);
CREATE TABLE "charge" ("cdr_id" TEXT NOT NULL PRIMARY KEY, "payer" TEXT NOT NULL, "term_id" INTEGER, "deck_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "rate_name" TEXT NOT NULL, "price_per_minute_micros" INTEGER NOT NULL, "connection_fee_micros" INTEGER NOT NULL, "increments" TEXT NOT NULL, "held_bundle_s" INTEGER NOT NULL, "held_paid_s" INTEGER NOT NULL, "held_micros" INTEGER NOT NULL, "billed_s" INTEGER NOT NULL, "bundle_s" INTEGER NOT NULL, "paid_s" INTEGER NOT NULL, "price_micros" INTEGER NOT NULL, FOREIGN KEY ("cdr_id") REFERENCES "cdr" ("id"), FOREIGN KEY ("term_id") REFERENCES "term" ("id"), FOREIGN KEY ("deck_id") REFERENCES "deck" ("id"));
INSERT INTO "charge" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','profile',NULL,1,'+44','United Kingdom',23000,0,'30/6',0,60,23000,60,0,60,23000);
CREATE TABLE "closing" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "month" TEXT NOT NULL, "until_at" INTEGER NOT NULL, "last_number" INTEGER NOT NULL, "last_hash" TEXT NOT NULL, "balances" TEXT NOT NULL, "closed_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "company" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "currency" TEXT NOT NULL, "time_zone" TEXT NOT NULL, "created_at" INTEGER NOT NULL);
INSERT INTO "company" VALUES(1,'Acme','GBP','Europe/London',1795000000000);
CREATE TABLE "cost" ("cdr_id" TEXT NOT NULL PRIMARY KEY, "trunk_id" INTEGER NOT NULL, "deck_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "rate_name" TEXT NOT NULL, "price_per_minute_micros" INTEGER NOT NULL, "connection_fee_micros" INTEGER NOT NULL, "increments" TEXT NOT NULL, "currency" TEXT NOT NULL, "numerator" INTEGER NOT NULL, "denominator" INTEGER NOT NULL, "billed_s" INTEGER NOT NULL, "carrier_micros" INTEGER NOT NULL, "cost_micros" INTEGER NOT NULL, FOREIGN KEY ("cdr_id") REFERENCES "cdr" ("id"), FOREIGN KEY ("trunk_id") REFERENCES "trunk" ("id"), FOREIGN KEY ("deck_id") REFERENCES "deck" ("id"));
CREATE TABLE "deck" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "version" TEXT NOT NULL, "rates" INTEGER NOT NULL, "content" BLOB NOT NULL, "loaded_at" INTEGER NOT NULL, "in_use_at" INTEGER NOT NULL, "trunk_id" INTEGER REFERENCES "trunk" ("id"), "currency" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "deck" VALUES(1,1,'rates','07f5a52ba478e226ca79baf86aa74ce8ee86331543a93b8c7ce5ef012a484aad',1,X'78010DC8310EC2300C05D0BDA7E0001F3069D54B30334751EC5416C489DC14717C2ABDE97597A23F58AA82EE9A2576F158D58E21C8CD4CF2D066B188402DBB54B1B1E39B3ECAB178AB78ABF1B42C78990EE1CB536DE3B3E946610661A6FB8A4061BDD2E3847D24E3E43CFD01E840299A',1794999940000,1794999940000,NULL,'');
CREATE TABLE "delivery" ("id" INTEGER NOT NULL PRIMARY KEY, "notice_id" INTEGER NOT NULL, "webhook_id" INTEGER, "address" TEXT NOT NULL DEFAULT '', "state" TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')), "tries" INTEGER NOT NULL DEFAULT 0, "why" TEXT NOT NULL DEFAULT '', "next_at" INTEGER NOT NULL, "sent_at" INTEGER, FOREIGN KEY ("notice_id") REFERENCES "notice" ("id"), FOREIGN KEY ("webhook_id") REFERENCES "webhook" ("id"));
CREATE TABLE "department" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "route" TEXT NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "destination_month" ("company_id" INTEGER NOT NULL, "month" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "destination" TEXT NOT NULL, "payer" TEXT NOT NULL, "calls" INTEGER NOT NULL, "answered" INTEGER NOT NULL, "duration_ms" INTEGER NOT NULL, "billed_s" INTEGER NOT NULL, "bundle_s" INTEGER NOT NULL, "price_micros" INTEGER NOT NULL, PRIMARY KEY ("company_id", "month", "profile_id", "destination", "payer"));
INSERT INTO "destination_month" VALUES(1,'2026-11',0,'United Kingdom','profile',1,1,61510,60,0,23000);
INSERT INTO "destination_month" VALUES(1,'2026-11',1,'United Kingdom','profile',1,1,61510,60,0,23000);
CREATE TABLE "emergency_call" ("id" TEXT NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "profile_id" INTEGER, "dialled" TEXT NOT NULL, "outcome" TEXT NOT NULL, "at" INTEGER NOT NULL, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "entry" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "number" INTEGER NOT NULL, "key" TEXT NOT NULL, "kind" TEXT NOT NULL, "at" INTEGER NOT NULL, "about" TEXT NOT NULL, "hash" TEXT NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "entry" VALUES(1,1,1,'top-up:first','top-up',1795000000000,'money from outside','e9a9c6c03a2f9686d337650d48627e839b551993c9ac1281b562a4abc449dde9');
INSERT INTO "entry" VALUES(2,1,2,'term:1:begin','subscription',1795000000000,'3 channels and 0 bundles for office to 2026-12-18T11:06:40.000Z','dda844ce95a1cc6268235ec03f57b0788615d81e8052c43ce49277c3df650c9f');
INSERT INTO "entry" VALUES(3,1,3,'add:office','add',1795000000000,'credit for office','03fc32da70fff8c33bf37439e57a160160ad51f22e88080a5abf965df844dcd8');
INSERT INTO "entry" VALUES(4,1,4,'call:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:hold:60','hold',1795000000005,'60 s held for +44 United Kingdom','d24b47bbea6063cc0a828a4b7d4320cd5736b7b55ed95a9ea465f6df2ff2c42e');
INSERT INTO "entry" VALUES(5,1,5,'call:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:settle','settle',1795000063510,'60 s billed to +44 United Kingdom','212edc1cbec39151d67bfb4f370c9f9afc83ceac154be6aa2f3f31f3d0ae5e15');
INSERT INTO "entry" VALUES(6,1,6,'call:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:hold:60','hold',1795000063510,'60 s held for +44 United Kingdom','b9fd94311cc8f80fecd0d04fef42e2e0020d51aabecfaecf374c0f50506f41bd');
INSERT INTO "entry" VALUES(7,1,7,'term:2:begin','number fee',1795000063510,'+442079460110 to 2027-02-16T11:06:40.000Z','d6140ad8ce34de5dbd853c5f3644370ff8fe53bdcf5c221327bf88ca2db1f37e');
CREATE TABLE "exchange_rate" ("id" INTEGER NOT NULL PRIMARY KEY, "currency" TEXT NOT NULL, "target" TEXT NOT NULL, "numerator" INTEGER NOT NULL CHECK (numerator > 0), "denominator" INTEGER NOT NULL CHECK (denominator > 0), "from_at" INTEGER NOT NULL, "set_at" INTEGER NOT NULL);
INSERT INTO "exchange_rate" VALUES(1,'USD','GBP',7893,10000,1790000000000,1790000000000);
CREATE TABLE "export" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "kind" TEXT NOT NULL, "month" TEXT, "state" TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'gone')), "rows" INTEGER NOT NULL DEFAULT 0, "total" INTEGER NOT NULL DEFAULT 0, "bytes" INTEGER NOT NULL DEFAULT 0, "price_micros" INTEGER, "why" TEXT NOT NULL DEFAULT '', "node" TEXT NOT NULL, "asked_at" INTEGER NOT NULL, "done_at" INTEGER, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "hold" ("call_id" TEXT NOT NULL PRIMARY KEY, "payer" TEXT NOT NULL CHECK (payer IN ('profile', 'company', 'bundle')), "term_id" INTEGER, "deck_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "rate_name" TEXT NOT NULL, "price_per_minute_micros" INTEGER NOT NULL, "connection_fee_micros" INTEGER NOT NULL, "increments" TEXT NOT NULL, "bundle_s" INTEGER NOT NULL CHECK (bundle_s >= 0), "paid_s" INTEGER NOT NULL CHECK (paid_s >= 0), "micros" INTEGER NOT NULL CHECK (micros >= 0), "cost" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("call_id") REFERENCES "call" ("id"), FOREIGN KEY ("term_id") REFERENCES "term" ("id"), FOREIGN KEY ("deck_id") REFERENCES "deck" ("id"));
INSERT INTO "hold" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','profile',NULL,1,'+44','United Kingdom',23000,0,'30/6',0,60,23000,'');
CREATE TABLE "hours" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "periods" TEXT NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "inbound_account" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "name" TEXT NOT NULL, "route" TEXT NOT NULL, "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "invoice" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "series" TEXT NOT NULL, "number" INTEGER NOT NULL CHECK (number > 0), "kind" TEXT NOT NULL CHECK (kind IN ('invoice', 'prepayment', 'credit note')), "tax_point" TEXT NOT NULL CHECK (tax_point IN ('payment', 'use')), "issued_at" INTEGER NOT NULL, "entry_id" INTEGER, "month" TEXT, "corrects_id" INTEGER, "net_micros" INTEGER NOT NULL, "tax_micros" INTEGER NOT NULL, "gross_micros" INTEGER NOT NULL CHECK (gross_micros > 0), "left_micros" INTEGER NOT NULL DEFAULT 0, "document" TEXT NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("entry_id") REFERENCES "entry" ("id"), FOREIGN KEY ("corrects_id") REFERENCES "invoice" ("id"), CHECK (gross_micros = net_micros + tax_micros));
CREATE TABLE "invoice_restart" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL);
CREATE TABLE "invoice_series" ("series" TEXT NOT NULL PRIMARY KEY, "last" INTEGER NOT NULL);
CREATE TABLE "limits" ("profile_id" INTEGER NOT NULL PRIMARY KEY, "price_per_minute_micros" INTEGER, "call_micros" INTEGER, "day_micros" INTEGER, "month_micros" INTEGER, "calls_per_second" INTEGER, "attempts_per_number" INTEGER, "uses_company_balance" INTEGER NOT NULL, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "mailbox" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "box" TEXT NOT NULL, "name" TEXT NOT NULL, "email" TEXT NOT NULL, "pin" TEXT NOT NULL, "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "margin_floor" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "hundredths" INTEGER NOT NULL CHECK (hundredths BETWEEN 0 AND 10000), "per_minute_micros" INTEGER NOT NULL CHECK (per_minute_micros >= 0), FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
INSERT INTO "margin_floor" VALUES(1,1,NULL,1000,0);
CREATE TABLE "margin_month" ("company_id" INTEGER NOT NULL, "month" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "trunk_id" INTEGER NOT NULL, "destination" TEXT NOT NULL, "calls" INTEGER NOT NULL, "costed" INTEGER NOT NULL, "duration_ms" INTEGER NOT NULL, "bundle_s" INTEGER NOT NULL, "price_micros" INTEGER NOT NULL, "costed_price_micros" INTEGER NOT NULL, "cost_micros" INTEGER NOT NULL, PRIMARY KEY ("company_id", "month", "profile_id", "trunk_id", "destination"));
CREATE TABLE "media" ("call_id" TEXT NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "mos" INTEGER NOT NULL, "legs" TEXT NOT NULL);
CREATE TABLE "node" ("name" TEXT NOT NULL PRIMARY KEY, "joined_at" INTEGER NOT NULL, "seen_at" INTEGER NOT NULL, "epoch" INTEGER NOT NULL, "codecs" TEXT NOT NULL DEFAULT '');
CREATE TABLE "notice" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "kind" TEXT NOT NULL, "key" TEXT NOT NULL, "text" TEXT NOT NULL, "at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "number" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "e164" TEXT NOT NULL, "created_at" INTEGER NOT NULL, "route" TEXT NOT NULL DEFAULT '', "released_at" INTEGER, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
INSERT INTO "number" VALUES(1,1,1,'+442079460100',1795000000000,'',NULL);
INSERT INTO "number" VALUES(2,1,1,'+442079460110',1795000000000,'extension 101',NULL);
CREATE TABLE "payment" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "provider" TEXT NOT NULL, "number" TEXT NOT NULL, "state" TEXT NOT NULL CHECK (state IN ('announced', 'received', 'failed')), "amount_micros" INTEGER NOT NULL CHECK (amount_micros > 0), "taken_back_micros" INTEGER NOT NULL DEFAULT 0 CHECK (taken_back_micros >= 0), "owed_micros" INTEGER NOT NULL DEFAULT 0 CHECK (owed_micros >= 0), "reference" TEXT NOT NULL DEFAULT '', "received_on" TEXT NOT NULL DEFAULT '', "why" TEXT NOT NULL DEFAULT '', "noted_at" INTEGER NOT NULL, "changed_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), CHECK (taken_back_micros + owed_micros <= amount_micros));
INSERT INTO "payment" VALUES(1,1,'recorded','first','received',1000000000,0,0,'','','',1795000000000,1795000000000);
CREATE TABLE "payment_event" ("id" INTEGER NOT NULL PRIMARY KEY, "payment_id" INTEGER NOT NULL, "event" TEXT NOT NULL, "kind" TEXT NOT NULL, "amount_micros" INTEGER NOT NULL, "at" INTEGER NOT NULL, "why" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("payment_id") REFERENCES "payment" ("id"));
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
INSERT INTO "posting" VALUES(13,7,'company:1:balance',-7500000);
INSERT INTO "posting" VALUES(14,7,'company:1:number_fees',7500000);
CREATE TABLE "prefix_rule" ("id" INTEGER NOT NULL PRIMARY KEY, "profile_id" INTEGER NOT NULL, "prefix" TEXT NOT NULL, "allowed" INTEGER NOT NULL, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "price_list" ("company_id" INTEGER NOT NULL PRIMARY KEY, "channel_micros" INTEGER NOT NULL CHECK (channel_micros >= 0), "bundle_micros" INTEGER NOT NULL CHECK (bundle_micros >= 0), FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "profile" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "role" TEXT NOT NULL CHECK (role IN ('client', 'server')), "auth" TEXT NOT NULL CHECK (auth IN ('registration', 'ip')), "username" TEXT NOT NULL, "realm" TEXT NOT NULL, "digest" TEXT NOT NULL, "channels" INTEGER NOT NULL CHECK (channels BETWEEN 0 AND 300), "status" TEXT NOT NULL CHECK (status IN ('inactive', 'active', 'suspended', 'cancelling', 'archived')), "created_at" INTEGER NOT NULL, "address" TEXT, "port" INTEGER CHECK (port BETWEEN 1 AND 65535), "old_digest" TEXT, "old_until" INTEGER, "options" TEXT NOT NULL DEFAULT '{}', "state" TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'suspended')), "sip_version" INTEGER NOT NULL DEFAULT 1, "country" TEXT, "emergency" TEXT, "caller_policy" TEXT NOT NULL DEFAULT 'pass' CHECK (caller_policy IN ('none', 'fixed', 'pass')), "caller_number" TEXT, "caller_foreign" TEXT NOT NULL DEFAULT 'replace' CHECK (caller_foreign IN ('replace', 'refuse')), "billing_address" TEXT NOT NULL DEFAULT '', "contact" TEXT NOT NULL DEFAULT '', "withhold_prefixes" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "profile" VALUES(1,1,'office','server','registration','pp9vxpe6z6x','asterisk','0',3,'active',1795000000000,NULL,NULL,NULL,NULL,'{}','open',1,NULL,NULL,'pass',NULL,'replace','','','');
CREATE TABLE "reachability" ("id" INTEGER NOT NULL PRIMARY KEY, "node" TEXT NOT NULL, "endpoint" TEXT NOT NULL, "state" TEXT NOT NULL, "sip_status" INTEGER, "words" TEXT NOT NULL, "at" INTEGER NOT NULL);
CREATE TABLE "recharge" ("profile_id" INTEGER NOT NULL PRIMARY KEY, "amount_micros" INTEGER NOT NULL CHECK (amount_micros > 0), "threshold_micros" INTEGER NOT NULL CHECK (threshold_micros > 0), "monthly_limit_micros" INTEGER, FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "reference_version" ("id" INTEGER NOT NULL PRIMARY KEY, "version" INTEGER NOT NULL);
INSERT INTO "reference_version" VALUES(0,2);
CREATE TABLE "refusal_month" ("company_id" INTEGER NOT NULL, "month" TEXT NOT NULL, "profile_id" INTEGER NOT NULL, "refusal" TEXT NOT NULL, "calls" INTEGER NOT NULL, "offered_micros" INTEGER NOT NULL, PRIMARY KEY ("company_id", "month", "profile_id", "refusal"));
CREATE TABLE "request" ("key" TEXT NOT NULL PRIMARY KEY, "fingerprint" TEXT NOT NULL, "answer" TEXT NOT NULL, "at" INTEGER NOT NULL);
CREATE TABLE "restored" ("id" INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), "books_end_at" INTEGER NOT NULL, "restored_at" INTEGER NOT NULL);
CREATE TABLE "saved_filter" ("id" INTEGER NOT NULL PRIMARY KEY, "user_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "query" TEXT NOT NULL, "created_at" INTEGER NOT NULL, FOREIGN KEY ("user_id") REFERENCES "users" ("id"));
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_first_tables','2026-11-23 18:40:22.047780');
INSERT INTO "schema_migration" VALUES(2,'0002_money','2026-11-23 18:40:22.059187');
INSERT INTO "schema_migration" VALUES(3,'0003_epoch','2026-11-23 18:40:22.061331');
INSERT INTO "schema_migration" VALUES(4,'0004_restored','2026-11-23 18:40:22.063821');
INSERT INTO "schema_migration" VALUES(5,'0005_nodes','2026-11-23 18:40:22.066326');
INSERT INTO "schema_migration" VALUES(6,'0006_trunks','2026-11-23 18:40:22.087648');
INSERT INTO "schema_migration" VALUES(7,'0007_numbers','2026-11-23 18:40:22.102928');
INSERT INTO "schema_migration" VALUES(8,'0008_people','2026-11-23 18:40:22.111082');
INSERT INTO "schema_migration" VALUES(9,'0009_usage','2026-11-23 18:40:22.117862');
INSERT INTO "schema_migration" VALUES(10,'0010_alerts','2026-11-23 23:40:28.902705');
INSERT INTO "schema_migration" VALUES(11,'0011_buttons','2026-11-28 12:05:57.893383');
INSERT INTO "schema_migration" VALUES(12,'0012_foreign_phones','2026-11-29 01:40:33.239899');
INSERT INTO "schema_migration" VALUES(13,'0013_reference','2026-11-30 03:18:00.843417');
INSERT INTO "schema_migration" VALUES(14,'0014_payments','2026-11-30 06:42:52.568270');
INSERT INTO "schema_migration" VALUES(15,'0015_invoices','2026-11-30 07:33:06.279364');
INSERT INTO "schema_migration" VALUES(16,'0016_thresholds','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(17,'0017_languages','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(18,'0018_call_events','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(19,'0019_invoice_languages','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(20,'0020_media','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(21,'0021_saved_filters','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(22,'0022_card_recharges','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(23,'0023_sheet_layouts','2026-11-30 13:06:14.244603');
INSERT INTO "schema_migration" VALUES(24,'0024_costs','2026-11-30 13:06:14.244603');
CREATE TABLE "service_number" ("id" INTEGER NOT NULL PRIMARY KEY, "profile_id" INTEGER NOT NULL, "digits" TEXT NOT NULL, "name" TEXT NOT NULL, "price_per_minute_micros" INTEGER NOT NULL CHECK (price_per_minute_micros >= 0), "connection_fee_micros" INTEGER NOT NULL CHECK (connection_fee_micros >= 0), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
INSERT INTO "service_number" VALUES(1,1,'101','non-emergency',0,150000);
CREATE TABLE "session" ("id" INTEGER NOT NULL PRIMARY KEY, "user_id" INTEGER NOT NULL, "hashed" TEXT NOT NULL, "old_hashed" TEXT, "old_until" INTEGER, "csrf" TEXT NOT NULL, "company_id" INTEGER, "stage" TEXT NOT NULL CHECK (stage IN ('full', 'totp', 'password')), "created_at" INTEGER NOT NULL, "rotated_at" INTEGER NOT NULL, "seen_at" INTEGER NOT NULL, "address" TEXT NOT NULL, "agent" TEXT NOT NULL, FOREIGN KEY ("user_id") REFERENCES "users" ("id"), FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "sheet_layout" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "carrier" TEXT NOT NULL DEFAULT '', "signature" TEXT NOT NULL, "answers" TEXT NOT NULL DEFAULT '{}', "kept_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "sheet_layout" VALUES(1,1,'Carrier A','x','{"date_order": "day"}',1790000000000);
CREATE TABLE "sign_in_link" ("user_id" INTEGER NOT NULL PRIMARY KEY, "hashed" TEXT NOT NULL, "expires_at" INTEGER NOT NULL, FOREIGN KEY ("user_id") REFERENCES "users" ("id"));
CREATE TABLE "stock" ("e164" TEXT NOT NULL PRIMARY KEY, "country" TEXT NOT NULL, "area" TEXT NOT NULL, "fee_micros" INTEGER NOT NULL CHECK (fee_micros >= 0), "currency" TEXT NOT NULL, "imported_at" INTEGER NOT NULL);
INSERT INTO "stock" VALUES('+442079460110','GB','20',2500000,'GBP',1795000000000);
CREATE TABLE "term" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "number_id" INTEGER, "channels" INTEGER NOT NULL CHECK (channels BETWEEN 0 AND 300), "bundles" INTEGER NOT NULL CHECK (bundles BETWEEN 0 AND channels), "price_micros" INTEGER NOT NULL CHECK (price_micros >= 0), "bundles_price_micros" INTEGER NOT NULL CHECK (bundles_price_micros >= 0), "periods" INTEGER NOT NULL CHECK (periods BETWEEN 1 AND 12), "starts_at" INTEGER NOT NULL, "ends_at" INTEGER NOT NULL, "renews" INTEGER NOT NULL, "closed_at" INTEGER, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"), FOREIGN KEY ("number_id") REFERENCES "number" ("id"));
INSERT INTO "term" VALUES(1,1,1,NULL,3,0,20850000,0,1,1795000000000,1797592000000,1,NULL);
INSERT INTO "term" VALUES(2,1,NULL,2,0,0,7500000,0,3,1795000000000,1802776000000,1,NULL);
CREATE TABLE "threshold" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "profile_id" INTEGER, "kind" TEXT NOT NULL, "value" INTEGER NOT NULL, "created_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
INSERT INTO "threshold" VALUES(1,1,NULL,'balance',5000000,1795000000000);
CREATE TABLE "trunk" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "name" TEXT NOT NULL, "host" TEXT NOT NULL, "port" INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535), "created_at" INTEGER NOT NULL, "profile_id" INTEGER REFERENCES "profile" ("id"), "auth" TEXT NOT NULL DEFAULT 'ip' CHECK (auth IN ('registration', 'ip')), "username" TEXT NOT NULL DEFAULT '', "realm" TEXT NOT NULL DEFAULT '', "secret" TEXT, "options" TEXT NOT NULL DEFAULT '{}', "state" TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'suspended', 'archived')), "sip_version" INTEGER NOT NULL DEFAULT 1, "place" INTEGER NOT NULL DEFAULT 1 CHECK (place BETWEEN 1 AND 100), "share" INTEGER NOT NULL DEFAULT 1 CHECK (share BETWEEN 1 AND 1000), "failover" TEXT NOT NULL DEFAULT '408 500 502 503 504', FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "trunk" VALUES(1,1,'carrier','127.0.0.1',5070,1795000000000,NULL,'ip','','',NULL,'{}','open',1,1,1,'408 500 502 503 504');
CREATE TABLE "users" ("id" INTEGER NOT NULL PRIMARY KEY, "email" TEXT NOT NULL, "name" TEXT NOT NULL, "company_id" INTEGER, "profile_id" INTEGER, "role" TEXT NOT NULL CHECK (role IN ('owner', 'finance', 'operator', 'viewer', 'member')), "password" TEXT NOT NULL DEFAULT '', "password_at" INTEGER, "totp" TEXT, "totp_used" INTEGER, "created_at" INTEGER NOT NULL, "disabled_at" INTEGER, "language" TEXT NOT NULL DEFAULT '', FOREIGN KEY ("company_id") REFERENCES "company" ("id"), FOREIGN KEY ("profile_id") REFERENCES "profile" ("id"));
CREATE TABLE "verified" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "e164" TEXT NOT NULL, "evidence" TEXT NOT NULL, "verified_at" INTEGER NOT NULL, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
CREATE TABLE "webhook" ("id" INTEGER NOT NULL PRIMARY KEY, "company_id" INTEGER NOT NULL, "url" TEXT NOT NULL, "secret" TEXT NOT NULL, "created_at" INTEGER NOT NULL, "notices" INTEGER NOT NULL DEFAULT 1, "calls" INTEGER NOT NULL DEFAULT 0, FOREIGN KEY ("company_id") REFERENCES "company" ("id"));
INSERT INTO "webhook" VALUES(1,1,'https://hooks.example.com/acme','0000000000000000000000000000000000000000000000000000000000000000',1795000000000,1,0);
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
CREATE UNIQUE INDEX number_held ON number (e164) WHERE released_at IS NULL;
CREATE INDEX "department_company_id" ON "department" ("company_id");
CREATE UNIQUE INDEX "department_company_id_name" ON "department" ("company_id", "name");
CREATE INDEX "emergency_call_profile_id" ON "emergency_call" ("profile_id");
CREATE INDEX "emergency_call_at" ON "emergency_call" ("at");
CREATE INDEX "hours_company_id" ON "hours" ("company_id");
CREATE UNIQUE INDEX "hours_company_id_name" ON "hours" ("company_id", "name");
CREATE INDEX "inbound_account_company_id" ON "inbound_account" ("company_id");
CREATE INDEX "inbound_account_profile_id" ON "inbound_account" ("profile_id");
CREATE UNIQUE INDEX "inbound_account_name" ON "inbound_account" ("name");
CREATE INDEX "mailbox_company_id" ON "mailbox" ("company_id");
CREATE UNIQUE INDEX "mailbox_company_id_box" ON "mailbox" ("company_id", "box");
CREATE INDEX "stock_country_area" ON "stock" ("country", "area");
CREATE INDEX "verified_company_id" ON "verified" ("company_id");
CREATE UNIQUE INDEX "verified_company_id_e164" ON "verified" ("company_id", "e164");
CREATE INDEX cdr_company_ended ON cdr (company_id, ended_at);
CREATE UNIQUE INDEX "users_email" ON "users" ("email");
CREATE INDEX "users_company_id" ON "users" ("company_id");
CREATE INDEX "users_profile_id" ON "users" ("profile_id");
CREATE INDEX "api_token_user_id" ON "api_token" ("user_id");
CREATE UNIQUE INDEX "api_token_hashed" ON "api_token" ("hashed");
CREATE INDEX "audit_user_id" ON "audit" ("user_id");
CREATE INDEX "audit_company_id" ON "audit" ("company_id");
CREATE INDEX "audit_company_id_id" ON "audit" ("company_id", "id");
CREATE INDEX "request_at" ON "request" ("at");
CREATE INDEX "session_user_id" ON "session" ("user_id");
CREATE UNIQUE INDEX "session_hashed" ON "session" ("hashed");
CREATE UNIQUE INDEX "session_old_hashed" ON "session" ("old_hashed");
CREATE INDEX "session_company_id" ON "session" ("company_id");
CREATE UNIQUE INDEX "sign_in_link_hashed" ON "sign_in_link" ("hashed");
CREATE TRIGGER audit_no_UPDATE BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append only');
END;
CREATE TRIGGER audit_no_DELETE BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append only');
END;
CREATE INDEX entry_not_of_calls ON entry (company_id, at) WHERE kind NOT IN ('hold', 'settle');
CREATE INDEX "export_company_id" ON "export" ("company_id");
CREATE INDEX "export_profile_id" ON "export" ("profile_id");
CREATE INDEX "export_company_id_id" ON "export" ("company_id", "id");
CREATE INDEX "export_node_state" ON "export" ("node", "state");
CREATE INDEX "webhook_company_id" ON "webhook" ("company_id");
CREATE INDEX "delivery_notice_id" ON "delivery" ("notice_id");
CREATE INDEX "delivery_webhook_id" ON "delivery" ("webhook_id");
CREATE UNIQUE INDEX "delivery_notice_id_webhook_id_address" ON "delivery" ("notice_id", "webhook_id", "address");
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting';
CREATE INDEX "button_company_id" ON "button" ("company_id");
CREATE INDEX "button_account_id" ON "button" ("account_id");
CREATE UNIQUE INDEX "button_token" ON "button" ("token");
CREATE UNIQUE INDEX "button_company_id_name" ON "button" ("company_id", "name");
CREATE INDEX "service_number_profile_id" ON "service_number" ("profile_id");
CREATE UNIQUE INDEX "service_number_profile_id_digits" ON "service_number" ("profile_id", "digits");
CREATE TRIGGER company_counts_insert AFTER insert ON "company"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER company_counts_update AFTER update ON "company"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER company_counts_delete AFTER delete ON "company"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER profile_counts_insert AFTER insert ON "profile"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER profile_counts_update AFTER update ON "profile"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER profile_counts_delete AFTER delete ON "profile"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER trunk_counts_insert AFTER insert ON "trunk"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER trunk_counts_update AFTER update ON "trunk"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER trunk_counts_delete AFTER delete ON "trunk"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER number_counts_insert AFTER insert ON "number"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER number_counts_update AFTER update ON "number"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER number_counts_delete AFTER delete ON "number"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER verified_counts_insert AFTER insert ON "verified"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER verified_counts_update AFTER update ON "verified"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER verified_counts_delete AFTER delete ON "verified"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER hours_counts_insert AFTER insert ON "hours"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER hours_counts_update AFTER update ON "hours"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER hours_counts_delete AFTER delete ON "hours"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER department_counts_insert AFTER insert ON "department"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER department_counts_update AFTER update ON "department"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER department_counts_delete AFTER delete ON "department"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER inbound_account_counts_insert AFTER insert ON "inbound_account"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER inbound_account_counts_update AFTER update ON "inbound_account"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER inbound_account_counts_delete AFTER delete ON "inbound_account"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER button_counts_insert AFTER insert ON "button"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER button_counts_update AFTER update ON "button"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER button_counts_delete AFTER delete ON "button"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER mailbox_counts_insert AFTER insert ON "mailbox"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER mailbox_counts_update AFTER update ON "mailbox"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER mailbox_counts_delete AFTER delete ON "mailbox"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER deck_counts_insert AFTER insert ON "deck"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER deck_counts_update AFTER update ON "deck"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER deck_counts_delete AFTER delete ON "deck"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER limits_counts_insert AFTER insert ON "limits"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER limits_counts_update AFTER update ON "limits"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER limits_counts_delete AFTER delete ON "limits"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER prefix_rule_counts_insert AFTER insert ON "prefix_rule"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER prefix_rule_counts_update AFTER update ON "prefix_rule"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER prefix_rule_counts_delete AFTER delete ON "prefix_rule"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER service_number_counts_insert AFTER insert ON "service_number"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER service_number_counts_update AFTER update ON "service_number"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER service_number_counts_delete AFTER delete ON "service_number"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER recharge_counts_insert AFTER insert ON "recharge"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER recharge_counts_update AFTER update ON "recharge"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER recharge_counts_delete AFTER delete ON "recharge"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER term_counts_insert AFTER insert ON "term"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER term_counts_update AFTER update ON "term"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER term_counts_delete AFTER delete ON "term"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE INDEX "payment_company_id" ON "payment" ("company_id");
CREATE UNIQUE INDEX "payment_provider_number" ON "payment" ("provider", "number");
CREATE INDEX payment_owed ON payment (company_id) WHERE owed_micros > 0;
CREATE INDEX "payment_event_payment_id" ON "payment_event" ("payment_id");
CREATE UNIQUE INDEX "payment_event_payment_id_event" ON "payment_event" ("payment_id", "event");
CREATE INDEX "payment_event_event" ON "payment_event" ("event");
CREATE UNIQUE INDEX "buyer_company_id" ON "buyer" ("company_id");
CREATE INDEX "invoice_company_id" ON "invoice" ("company_id");
CREATE INDEX "invoice_entry_id" ON "invoice" ("entry_id");
CREATE INDEX "invoice_corrects_id" ON "invoice" ("corrects_id");
CREATE UNIQUE INDEX "invoice_series_number" ON "invoice" ("series", "number");
CREATE INDEX "invoice_company_id_month" ON "invoice" ("company_id", "month");
CREATE UNIQUE INDEX invoice_of_entry ON invoice (entry_id) WHERE corrects_id IS NULL;
CREATE UNIQUE INDEX invoice_of_month ON invoice (company_id, month) WHERE corrects_id IS NULL AND month IS NOT NULL;
CREATE TRIGGER invoice_no_update BEFORE UPDATE ON invoice
BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END;
CREATE TRIGGER invoice_no_delete BEFORE DELETE ON invoice
BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END;
CREATE INDEX "threshold_company_id" ON "threshold" ("company_id");
CREATE INDEX "threshold_profile_id" ON "threshold" ("profile_id");
CREATE TRIGGER webhook_counts_insert AFTER insert ON "webhook"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER webhook_counts_update AFTER update ON "webhook"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER webhook_counts_delete AFTER delete ON "webhook"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE INDEX call_event_order ON call_event (webhook_id, id);
CREATE INDEX "saved_filter_user_id" ON "saved_filter" ("user_id");
CREATE UNIQUE INDEX "saved_filter_user_id_name" ON "saved_filter" ("user_id", "name");
CREATE INDEX "card_charge_company_id" ON "card_charge" ("company_id");
CREATE UNIQUE INDEX "card_charge_key" ON "card_charge" ("key");
CREATE UNIQUE INDEX card_charge_open ON card_charge (company_id) WHERE state IN ('asked', 'taken');
CREATE INDEX card_charge_made ON card_charge (company_id, made_at);
CREATE UNIQUE INDEX "card_recharge_word" ON "card_recharge" ("word");
CREATE INDEX "sheet_layout_company_id" ON "sheet_layout" ("company_id");
CREATE UNIQUE INDEX "sheet_layout_company_id_carrier_signature" ON "sheet_layout" ("company_id", "carrier", "signature");
CREATE INDEX deck_whose ON deck (company_id, trunk_id, in_use_at, version, currency);
CREATE INDEX "cost_trunk_id" ON "cost" ("trunk_id");
CREATE INDEX "cost_deck_id" ON "cost" ("deck_id");
CREATE UNIQUE INDEX "exchange_rate_currency_target_from_at" ON "exchange_rate" ("currency", "target", "from_at");
CREATE INDEX "margin_floor_company_id" ON "margin_floor" ("company_id");
CREATE INDEX "margin_floor_profile_id" ON "margin_floor" ("profile_id");
CREATE UNIQUE INDEX margin_floor_one ON margin_floor (company_id, COALESCE(profile_id, 0));
CREATE TRIGGER exchange_rate_counts_insert AFTER insert ON "exchange_rate"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER exchange_rate_counts_update AFTER update ON "exchange_rate"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER exchange_rate_counts_delete AFTER delete ON "exchange_rate"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER margin_floor_counts_insert AFTER insert ON "margin_floor"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER margin_floor_counts_update AFTER update ON "margin_floor"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
CREATE TRIGGER margin_floor_counts_delete AFTER delete ON "margin_floor"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END;
COMMIT;
