from __future__ import annotations

from django.urls import path

from nothing_shared.thumbnails import views

app_name = "nothing_shared_thumbnails"
urlpatterns = [path("<path:path>", views.thumbnail, name="thumbnail")]
