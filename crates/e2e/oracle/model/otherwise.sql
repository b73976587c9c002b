-- What is otherwise here: secrets are hidden, metadata, and what is kept from loss.
CREATE MODEL m INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test', 'api-key' = 'sk-secret');
SHOW CREATE MODEL m;
CREATE MODEL metadata INPUT (a STRING) OUTPUT (b STRING, `error-string` STRING METADATA VIRTUAL) WITH ('provider' = 'model-test');
CREATE MODEL key_in INPUT (a STRING PRIMARY KEY NOT ENFORCED) OUTPUT (b STRING) WITH ('provider' = 'model-test');
ALTER MODEL m RENAME TO nowhere.place;
CREATE DATABASE d;
CREATE MODEL d.m INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test');
DROP DATABASE d;
