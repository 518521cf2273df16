BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE calls (
	id VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	media_state VARCHAR NOT NULL, 
	transport VARCHAR NOT NULL, 
	direction VARCHAR NOT NULL, 
	caller VARCHAR NOT NULL, 
	callee VARCHAR NOT NULL, 
	engines JSON NOT NULL, 
	started_at VARCHAR NOT NULL, 
	answered_at VARCHAR NOT NULL, 
	ended_at VARCHAR NOT NULL, 
	end_reason VARCHAR NOT NULL, 
	duration_ms BIGINT NOT NULL, 
	resumed_from VARCHAR NOT NULL, 
	metadata JSON NOT NULL, 
	CONSTRAINT pk_calls PRIMARY KEY (id)
);
INSERT INTO "calls" VALUES('call_01M7WQAM1Z0000000000000000','2ad96e41f2a156da','completed','closed','webrtc','inbound','192.0.2.7','','{"stt": "pocketsphinx", "agent": "parrot", "tts": "edge-tts"}','2026-11-20T09:00:00.000Z','2026-11-20T09:00:01.000Z','2026-11-20T09:00:10.000Z','hangup',9000,'','{"page": "shop"}');
INSERT INTO "calls" VALUES('call_01M7WQAM4B0000000000000012','2ad96e41f2a156da','completed','closed','webrtc','inbound','192.0.2.7','','{"stt": "pocketsphinx", "agent": "parrot", "tts": "edge-tts"}','2026-11-20T09:30:00.000Z','2026-11-20T09:30:01.000Z','2026-11-20T09:30:10.000Z','hangup',9000,'','{"page": "shop"}');
CREATE TABLE commands (
	scope VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	status INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	CONSTRAINT pk_commands PRIMARY KEY (scope, "key")
);
INSERT INTO "commands" VALUES('call_01M7WQAM1Z0000000000000000','again','abc','done',202,'{}',1.79527297754085302357e+09);
INSERT INTO "commands" VALUES('call_01M7WQAM4B0000000000000012','again','abc','done',202,'{}',1.79527297760159873962e+09);
CREATE TABLE events (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR NOT NULL, 
	call_id VARCHAR, 
	sequence INTEGER NOT NULL, 
	type VARCHAR NOT NULL, 
	time VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	CONSTRAINT fk_events_call_id FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE, 
	CONSTRAINT uq_events_id UNIQUE (id), 
	CONSTRAINT uq_events_call_id_sequence UNIQUE (call_id, sequence)
);
INSERT INTO "events" VALUES(1,'evt_01M7WQAM1Z0000000000000001','call_01M7WQAM1Z0000000000000000',1,'call.initiated','2026-11-20T09:00:00.000Z','{"transport": "webrtc", "direction": "inbound", "engines": {"stt": "pocketsphinx", "agent": "parrot", "tts": "espeak-ng"}, "metadata": {"page": "shop"}, "resumed_from": "", "from": "192.0.2.7", "to": ""}');
INSERT INTO "events" VALUES(2,'evt_01M7WQAM1Z0000000000000002','call_01M7WQAM1Z0000000000000000',2,'call.answered','2026-11-20T09:00:01.000Z','{}');
INSERT INTO "events" VALUES(3,'evt_01M7WQAM1Z0000000000000003','call_01M7WQAM1Z0000000000000000',3,'call.media.connected','2026-11-20T09:00:02.000Z','{}');
INSERT INTO "events" VALUES(4,'evt_01M7WQAM1Z0000000000000004','call_01M7WQAM1Z0000000000000000',4,'call.transcript','2026-11-20T09:00:03.000Z','{"role": "agent", "text": "Hello!", "final": true, "turn": 1, "cut": false}');
INSERT INTO "events" VALUES(5,'evt_01M7WQAM1Z0000000000000005','call_01M7WQAM1Z0000000000000000',5,'call.transcript','2026-11-20T09:00:04.000Z','{"role": "user", "text": "what is", "final": false, "utterance": 3}');
INSERT INTO "events" VALUES(6,'evt_01M7WQAM1Z0000000000000006','call_01M7WQAM1Z0000000000000000',6,'call.transcript','2026-11-20T09:00:05.000Z','{"role": "user", "text": "What is the time?", "final": true, "utterance": 3}');
INSERT INTO "events" VALUES(7,'evt_01M7WQAM1Z0000000000000007','call_01M7WQAM1Z0000000000000000',7,'call.stage.restarted','2026-11-20T09:00:06.000Z','{"stage": "tts", "reason": "crash", "incarnation": 2, "downtime_ms": 1.5, "detail": ""}');
INSERT INTO "events" VALUES(8,'evt_01M7WQAM1Z0000000000000008','call_01M7WQAM1Z0000000000000000',8,'call.engine.switched','2026-11-20T09:00:07.000Z','{"stage": "tts", "from": "espeak-ng", "to": "edge-tts"}');
INSERT INTO "events" VALUES(9,'evt_01M7WQAM1Z0000000000000009','call_01M7WQAM1Z0000000000000000',9,'call.turn.completed','2026-11-20T09:00:08.000Z','{"turn": 2, "latency": {"end_of_turn_ms": 210, "stt_final_ms": 40, "agent_first_token_ms": 90, "tts_first_audio_ms": 60, "first_packet_ms": 5, "total_ms": 405}}');
INSERT INTO "events" VALUES(10,'evt_01M7WQAM1Z0000000000000010','call_01M7WQAM1Z0000000000000000',10,'call.transcript','2026-11-20T09:00:09.000Z','{"role": "agent", "text": "It is", "final": true, "turn": 2, "cut": true}');
INSERT INTO "events" VALUES(11,'evt_01M7WQAM1Z0000000000000011','call_01M7WQAM1Z0000000000000000',11,'call.ended','2026-11-20T09:00:10.000Z','{"status": "completed", "reason": "hangup", "duration_ms": 9000}');
INSERT INTO "events" VALUES(12,'evt_01M7WQAM4B0000000000000013','call_01M7WQAM4B0000000000000012',1,'call.initiated','2026-11-20T09:30:00.000Z','{"transport": "webrtc", "direction": "inbound", "engines": {"stt": "pocketsphinx", "agent": "parrot", "tts": "espeak-ng"}, "metadata": {"page": "shop"}, "resumed_from": "", "from": "192.0.2.7", "to": ""}');
INSERT INTO "events" VALUES(13,'evt_01M7WQAM4B0000000000000014','call_01M7WQAM4B0000000000000012',2,'call.answered','2026-11-20T09:30:01.000Z','{}');
INSERT INTO "events" VALUES(14,'evt_01M7WQAM4B0000000000000015','call_01M7WQAM4B0000000000000012',3,'call.media.connected','2026-11-20T09:30:02.000Z','{}');
INSERT INTO "events" VALUES(15,'evt_01M7WQAM4B0000000000000016','call_01M7WQAM4B0000000000000012',4,'call.transcript','2026-11-20T09:30:03.000Z','{"role": "agent", "text": "Hello!", "final": true, "turn": 1, "cut": false}');
INSERT INTO "events" VALUES(16,'evt_01M7WQAM4B0000000000000017','call_01M7WQAM4B0000000000000012',5,'call.transcript','2026-11-20T09:30:04.000Z','{"role": "user", "text": "what is", "final": false, "utterance": 3}');
INSERT INTO "events" VALUES(17,'evt_01M7WQAM4B0000000000000018','call_01M7WQAM4B0000000000000012',6,'call.transcript','2026-11-20T09:30:05.000Z','{"role": "user", "text": "What is the time?", "final": true, "utterance": 3}');
INSERT INTO "events" VALUES(18,'evt_01M7WQAM4B0000000000000019','call_01M7WQAM4B0000000000000012',7,'call.stage.restarted','2026-11-20T09:30:06.000Z','{"stage": "tts", "reason": "crash", "incarnation": 2, "downtime_ms": 1.5, "detail": ""}');
INSERT INTO "events" VALUES(19,'evt_01M7WQAM4B0000000000000020','call_01M7WQAM4B0000000000000012',8,'call.engine.switched','2026-11-20T09:30:07.000Z','{"stage": "tts", "from": "espeak-ng", "to": "edge-tts"}');
INSERT INTO "events" VALUES(20,'evt_01M7WQAM4B0000000000000021','call_01M7WQAM4B0000000000000012',9,'call.turn.completed','2026-11-20T09:30:08.000Z','{"turn": 2, "latency": {"end_of_turn_ms": 210, "stt_final_ms": 40, "agent_first_token_ms": 90, "tts_first_audio_ms": 60, "first_packet_ms": 5, "total_ms": 405}}');
INSERT INTO "events" VALUES(21,'evt_01M7WQAM4B0000000000000022','call_01M7WQAM4B0000000000000012',10,'call.transcript','2026-11-20T09:30:09.000Z','{"role": "agent", "text": "It is", "final": true, "turn": 2, "cut": true}');
INSERT INTO "events" VALUES(22,'evt_01M7WQAM4B0000000000000023','call_01M7WQAM4B0000000000000012',11,'call.ended','2026-11-20T09:30:10.000Z','{"status": "completed", "reason": "hangup", "duration_ms": 9000}');
CREATE TABLE restarts (
	number INTEGER NOT NULL, 
	call_id VARCHAR NOT NULL, 
	time VARCHAR NOT NULL, 
	stage VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	incarnation INTEGER NOT NULL, 
	downtime_ms FLOAT NOT NULL, 
	CONSTRAINT pk_restarts PRIMARY KEY (number), 
	CONSTRAINT fk_restarts_call_id FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
);
INSERT INTO "restarts" VALUES(1,'call_01M7WQAM1Z0000000000000000','2026-11-20T09:00:06.000Z','tts','crash',2,1.5);
INSERT INTO "restarts" VALUES(2,'call_01M7WQAM4B0000000000000012','2026-11-20T09:30:06.000Z','tts','crash',2,1.5);
CREATE TABLE transcripts (
	number INTEGER NOT NULL, 
	call_id VARCHAR NOT NULL, 
	sequence INTEGER NOT NULL, 
	time VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	text TEXT NOT NULL, 
	cut BOOLEAN NOT NULL, 
	turn INTEGER NOT NULL, 
	CONSTRAINT pk_transcripts PRIMARY KEY (number), 
	CONSTRAINT fk_transcripts_call_id FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
);
INSERT INTO "transcripts" VALUES(1,'call_01M7WQAM1Z0000000000000000',4,'2026-11-20T09:00:03.000Z','agent','Hello!',0,1);
INSERT INTO "transcripts" VALUES(2,'call_01M7WQAM1Z0000000000000000',6,'2026-11-20T09:00:05.000Z','user','What is the time?',0,0);
INSERT INTO "transcripts" VALUES(3,'call_01M7WQAM1Z0000000000000000',10,'2026-11-20T09:00:09.000Z','agent','It is',1,2);
INSERT INTO "transcripts" VALUES(4,'call_01M7WQAM4B0000000000000012',4,'2026-11-20T09:30:03.000Z','agent','Hello!',0,1);
INSERT INTO "transcripts" VALUES(5,'call_01M7WQAM4B0000000000000012',6,'2026-11-20T09:30:05.000Z','user','What is the time?',0,0);
INSERT INTO "transcripts" VALUES(6,'call_01M7WQAM4B0000000000000012',10,'2026-11-20T09:30:09.000Z','agent','It is',1,2);
CREATE TABLE turns (
	number INTEGER NOT NULL, 
	call_id VARCHAR NOT NULL, 
	turn INTEGER NOT NULL, 
	time VARCHAR NOT NULL, 
	end_of_turn_ms INTEGER, 
	stt_final_ms INTEGER, 
	agent_first_token_ms INTEGER, 
	tts_first_audio_ms INTEGER, 
	first_packet_ms INTEGER, 
	total_ms INTEGER, 
	CONSTRAINT pk_turns PRIMARY KEY (number), 
	CONSTRAINT fk_turns_call_id FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
);
INSERT INTO "turns" VALUES(1,'call_01M7WQAM1Z0000000000000000',2,'2026-11-20T09:00:08.000Z',210,40,90,60,5,405);
INSERT INTO "turns" VALUES(2,'call_01M7WQAM4B0000000000000012',2,'2026-11-20T09:30:08.000Z',210,40,90,60,5,405);
CREATE TABLE webhook_outbox (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	host VARCHAR NOT NULL, 
	event_id VARCHAR NOT NULL, 
	event_type VARCHAR NOT NULL, 
	call_id VARCHAR, 
	url VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_at FLOAT NOT NULL, 
	created_at FLOAT NOT NULL, 
	error TEXT NOT NULL, 
	CONSTRAINT fk_webhook_outbox_call_id FOREIGN KEY(call_id) REFERENCES calls (id) ON DELETE CASCADE
);
INSERT INTO "webhook_outbox" VALUES(1,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000001','call.initiated','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000001","type":"call.initiated","time":"2026-11-20T09:00:00.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":1,"data":{"transport":"webrtc","direction":"inbound","engines":{"stt":"pocketsphinx","agent":"parrot","tts":"espeak-ng"},"metadata":{"page":"shop"},"resumed_from":"","from":"192.0.2.7","to":""}}','pending',0,1.79518657747979617123e+09,1.79518657747979617123e+09,'');
INSERT INTO "webhook_outbox" VALUES(2,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000002','call.answered','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000002","type":"call.answered","time":"2026-11-20T09:00:01.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":2,"data":{}}','pending',0,1.79518657748171401025e+09,1.79518657748171401025e+09,'');
INSERT INTO "webhook_outbox" VALUES(3,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000003','call.media.connected','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000003","type":"call.media.connected","time":"2026-11-20T09:00:02.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":3,"data":{}}','pending',0,1.79518657748261141774e+09,1.79518657748261141774e+09,'');
INSERT INTO "webhook_outbox" VALUES(4,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000004','call.transcript','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000004","type":"call.transcript","time":"2026-11-20T09:00:03.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":4,"data":{"role":"agent","text":"Hello!","final":true,"turn":1,"cut":false}}','pending',0,1.7951865774880604744e+09,1.7951865774880604744e+09,'');
INSERT INTO "webhook_outbox" VALUES(5,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000006','call.transcript','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000006","type":"call.transcript","time":"2026-11-20T09:00:05.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":6,"data":{"role":"user","text":"What is the time?","final":true,"utterance":3}}','pending',0,1.7951865774895992279e+09,1.7951865774895992279e+09,'');
INSERT INTO "webhook_outbox" VALUES(6,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000007','call.stage.restarted','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000007","type":"call.stage.restarted","time":"2026-11-20T09:00:06.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":7,"data":{"stage":"tts","reason":"crash","incarnation":2,"downtime_ms":1.5,"detail":""}}','pending',0,1.795186577490144968e+09,1.795186577490144968e+09,'');
INSERT INTO "webhook_outbox" VALUES(7,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000008','call.engine.switched','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000008","type":"call.engine.switched","time":"2026-11-20T09:00:07.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":8,"data":{"stage":"tts","from":"espeak-ng","to":"edge-tts"}}','pending',0,1.79518657749939131735e+09,1.79518657749939131735e+09,'');
INSERT INTO "webhook_outbox" VALUES(8,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000009','call.turn.completed','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000009","type":"call.turn.completed","time":"2026-11-20T09:00:08.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":9,"data":{"turn":2,"latency":{"end_of_turn_ms":210,"stt_final_ms":40,"agent_first_token_ms":90,"tts_first_audio_ms":60,"first_packet_ms":5,"total_ms":405}}}','pending',0,1.79518657750136590009e+09,1.79518657750136590009e+09,'');
INSERT INTO "webhook_outbox" VALUES(9,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000010','call.transcript','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000010","type":"call.transcript","time":"2026-11-20T09:00:09.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":10,"data":{"role":"agent","text":"It is","final":true,"turn":2,"cut":true}}','pending',0,1.79518657750244331364e+09,1.79518657750244331364e+09,'');
INSERT INTO "webhook_outbox" VALUES(10,'2ad96e41f2a156da','evt_01M7WQAM1Z0000000000000011','call.ended','call_01M7WQAM1Z0000000000000000','https://hooks.example.org/calls','{"id":"evt_01M7WQAM1Z0000000000000011","type":"call.ended","time":"2026-11-20T09:00:10.000Z","call_id":"call_01M7WQAM1Z0000000000000000","sequence":11,"data":{"status":"completed","reason":"hangup","duration_ms":9000}}','pending',0,1.79518657750299930574e+09,1.79518657750299930574e+09,'');
INSERT INTO "webhook_outbox" VALUES(11,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000013','call.initiated','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000013","type":"call.initiated","time":"2026-11-20T09:30:00.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":1,"data":{"transport":"webrtc","direction":"inbound","engines":{"stt":"pocketsphinx","agent":"parrot","tts":"espeak-ng"},"metadata":{"page":"shop"},"resumed_from":"","from":"192.0.2.7","to":""}}','pending',0,1.79518657755754137039e+09,1.79518657755754137039e+09,'');
INSERT INTO "webhook_outbox" VALUES(12,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000014','call.answered','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000014","type":"call.answered","time":"2026-11-20T09:30:01.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":2,"data":{}}','pending',0,1.79518657755838298797e+09,1.79518657755838298797e+09,'');
INSERT INTO "webhook_outbox" VALUES(13,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000015','call.media.connected','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000015","type":"call.media.connected","time":"2026-11-20T09:30:02.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":3,"data":{}}','pending',0,1.79518657755894112584e+09,1.79518657755894112584e+09,'');
INSERT INTO "webhook_outbox" VALUES(14,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000016','call.transcript','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000016","type":"call.transcript","time":"2026-11-20T09:30:03.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":4,"data":{"role":"agent","text":"Hello!","final":true,"turn":1,"cut":false}}','pending',0,1.79518657756396794321e+09,1.79518657756396794321e+09,'');
INSERT INTO "webhook_outbox" VALUES(15,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000018','call.transcript','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000018","type":"call.transcript","time":"2026-11-20T09:30:05.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":6,"data":{"role":"user","text":"What is the time?","final":true,"utterance":3}}','pending',0,1.79518657756484818462e+09,1.79518657756484818462e+09,'');
INSERT INTO "webhook_outbox" VALUES(16,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000019','call.stage.restarted','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000019","type":"call.stage.restarted","time":"2026-11-20T09:30:06.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":7,"data":{"stage":"tts","reason":"crash","incarnation":2,"downtime_ms":1.5,"detail":""}}','pending',0,1.79518657756535649295e+09,1.79518657756535649295e+09,'');
INSERT INTO "webhook_outbox" VALUES(17,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000020','call.engine.switched','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000020","type":"call.engine.switched","time":"2026-11-20T09:30:07.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":8,"data":{"stage":"tts","from":"espeak-ng","to":"edge-tts"}}','pending',0,1.79518657756585240368e+09,1.79518657756585240368e+09,'');
INSERT INTO "webhook_outbox" VALUES(18,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000021','call.turn.completed','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000021","type":"call.turn.completed","time":"2026-11-20T09:30:08.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":9,"data":{"turn":2,"latency":{"end_of_turn_ms":210,"stt_final_ms":40,"agent_first_token_ms":90,"tts_first_audio_ms":60,"first_packet_ms":5,"total_ms":405}}}','pending',0,1.79518657756649732586e+09,1.79518657756649732586e+09,'');
INSERT INTO "webhook_outbox" VALUES(19,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000022','call.transcript','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000022","type":"call.transcript","time":"2026-11-20T09:30:09.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":10,"data":{"role":"agent","text":"It is","final":true,"turn":2,"cut":true}}','pending',0,1.79518657757564449313e+09,1.79518657757564449313e+09,'');
INSERT INTO "webhook_outbox" VALUES(20,'2ad96e41f2a156da','evt_01M7WQAM4B0000000000000023','call.ended','call_01M7WQAM4B0000000000000012','https://hooks.example.org/calls','{"id":"evt_01M7WQAM4B0000000000000023","type":"call.ended","time":"2026-11-20T09:30:10.000Z","call_id":"call_01M7WQAM4B0000000000000012","sequence":11,"data":{"status":"completed","reason":"hangup","duration_ms":9000}}','pending',0,1.79518657757659268374e+09,1.79518657757659268374e+09,'');
CREATE INDEX ix_calls_ended_at ON calls (ended_at);
CREATE INDEX ix_calls_status ON calls (status);
CREATE INDEX ix_turns_call_id ON turns (call_id);
CREATE INDEX ix_transcripts_call_id ON transcripts (call_id);
CREATE INDEX ix_restarts_call_id ON restarts (call_id);
CREATE INDEX ix_commands_expires_at ON commands (expires_at);
CREATE INDEX ix_webhook_outbox_call_id_url_number ON webhook_outbox (call_id, url, number);
CREATE INDEX ix_webhook_outbox_url_state_next_at ON webhook_outbox (url, state, next_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',22);
INSERT INTO "sqlite_sequence" VALUES('webhook_outbox',20);
COMMIT;
