"""The same URLs for a site under ASGI: ``include("nothing_shared.thumbnails.async_urls")``."""

from __future__ import annotations

from django.urls import path

from nothing_shared.thumbnails import views

app_name = "nothing_shared_thumbnails"
urlpatterns = [path("<path:path>", views.athumbnail, name="thumbnail")]
