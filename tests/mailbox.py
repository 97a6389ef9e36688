"""A mail server for tests, in this process: real SMTP in, messages to look at out."""

from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller

from tests.servers import HOST, free_port


class Smtp:
    """A mail server in this process that keeps what it is given."""

    host = HOST

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.replies: list[str] = []
        self._controller = Controller(self, hostname=HOST, port=free_port())
        self.port: int = self._controller.port

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802, ARG002
        """Refuse with the next of ``replies`` if there is one, else keep the message."""
        if self.replies:
            return self.replies.pop(0)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 Message accepted"

    def start(self) -> None:
        """Listen, in a thread of its own."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening and end the thread."""
        self._controller.stop()
