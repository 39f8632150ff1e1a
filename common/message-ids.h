/* What the journal knows the important records of agentd by: journalctl MESSAGE_ID=... Each is
 * explained in systemd/units/agentd.catalog, which tests/lint/catalog checks. */
#pragma once

/* A resource has another verdict than before. */
#define MESSAGE_ID_TRANSITION "8d6f6f1c9e1b4d0f8a3f6b1f0c5e7a21"
/* What somebody else changed was put right; what they made is kept. */
#define MESSAGE_ID_REPAIR "4004b6a66d90480b846ac7456ea06027"
/* The same thing is changed again and again. */
#define MESSAGE_ID_FIGHT "a6b93ac3c96d48faa2c5a53c59cb9d9f"
/* A certificate was renewed, or is about to end or has ended. */
#define MESSAGE_ID_RENEWAL "bcece7908c764141882ccd29b79305f2"
#define MESSAGE_ID_EXPIRY  "1455431674f94354891044c36daee700"
/* A unit or container was restarted. */
#define MESSAGE_ID_RESTART "debaffda78cc4c5791ae139510c6fb7c"
/* A bootstrap token was made, replaced or deleted. */
#define MESSAGE_ID_TOKEN "c70aa6ff407d456a9b2db2daaadc3d2b"
/* A pod was moved to another node. */
#define MESSAGE_ID_EVICTION "e5e733f2dfd3443eaf2481629ffec1e3"
/* A request of somebody else was approved or refused. */
#define MESSAGE_ID_APPROVAL "84e340be6b254e82aed6c4ecf092be43"
#define MESSAGE_ID_REFUSAL  "7af6a1e4cb5e4b348be953cfaa177404"
/* The node's identity had been lost and is restored. */
#define MESSAGE_ID_IDENTITY "5cb283db076a4ee9b8b8bf11433cedd5"
/* A resource is held or released by an administrator. */
#define MESSAGE_ID_HOLD "a941de74a5d9469aabb396f1342902f6"
/* Any other entry of the history. */
#define MESSAGE_ID_HISTORY "2314f42eb7044bb58d628e4890980ec2"
