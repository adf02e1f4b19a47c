/* sd_notify without the library: a datagram to $NOTIFY_SOCKET (systemd.service(5), Type=notify). */
#ifndef ADMIN_NOTIFY_H
#define ADMIN_NOTIFY_H

/* "READY=1" or "STOPPING=1"; does nothing where nobody asked for it. */
void notify_send(const char *state);

#endif
