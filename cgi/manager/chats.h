#ifndef MANAGER_CHATS_H
#define MANAGER_CHATS_H

#include "cgi/manager/family.h"

/* /chats: where the bot is spoken to. */
extern const struct family chats;

#endif
